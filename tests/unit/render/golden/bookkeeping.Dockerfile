# stage boss: the BOSS package and the documents of the release
COPY boss/documents/ /usr/share/doc/Tiny-1.0/
COPY boss/packages/ /.boss-builder/packages/
COPY boss/install.sh /.boss-builder/install.sh
RUN ["/bin/sh", "/.boss-builder/install.sh"]
# the bookkeeping of calibration constants; in a tar, so that it keeps its mode (0444)
ADD boss/bookkeeping/offlinedb.db.tar /opt/boss/db/
