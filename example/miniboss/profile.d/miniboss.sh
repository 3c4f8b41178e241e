# Environment of miniboss, a toy release (see /opt/miniboss/1.0.0)
export BES_RELEASE=1.0.0
export BesArea=/opt/miniboss/1.0.0
export PATH="$BesArea/bin:$PATH"
