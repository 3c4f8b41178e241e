# Environment of miniboss, a toy release (see /opt/miniboss/@VERSION@)
export BES_RELEASE=@VERSION@
export BesArea=/opt/miniboss/@VERSION@
export PATH="$BesArea/bin:$PATH"
