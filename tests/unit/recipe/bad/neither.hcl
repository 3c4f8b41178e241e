os {
}
