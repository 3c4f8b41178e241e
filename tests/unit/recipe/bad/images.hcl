base "bad" {
  title   = "Images"
  extends = "el"
}

image "sift" {
  command = [""]
}

image "vm" {
  disk             = "8GB"
  memory           = "32MiB"
  processors       = 65
  uefi             = "yes"
  disk_bus         = "scsi"
  packages         = ["kernel;reboot"]
  kernel_arguments = ["quiet", "a b", "x=\"y\"", "$(reboot)", "-x", ""]
  firmware         = "uefi"
}

image "sif" {
  command = "bash"
}

image "vm" {}
