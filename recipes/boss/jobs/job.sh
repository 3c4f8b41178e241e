#!/bin/bash
# Run one job of a sample, with the release's own environment:  job.sh LIBRARY ALGORITHM RESULT JOBOPTIONS
#
# LIBRARY and ALGORITHM are the DQA algorithm of the channel. After the last job, the analysis, its histograms are written
# to RESULT in the serialisation of UHI, by the release's own Python and ROOT.
#
# What is done here to job options, public scripts do too (besdiracgrid/IHEPDIRAC, sam_script/boss_test.py): constants come
# from sqlite, and the mixing of background events, which needs recorded data, is left out of the reconstruction.
library=$1 algorithm=$2 result=$3 options=$4

here=$PWD
. "${BOSS_PROFILE:-/etc/profile.d/boss.sh}"
setup_boss || { echo "the environment of BOSS can not be set" >&2; exit 1; }
cd "$here" || exit 1
set -e

cp "$BOSS_TEST_RELEASE"/run/*.dec . 2> /dev/null || :
grep -v BESEVENTMIXER "$BOSS_TEST_RELEASE/run/jobOptions_rec.txt" > release_rec.txt
sed -e "s|@LIBRARY@|$library|g" -e "s|@ALGORITHM@|$algorithm|g" "$options" > "job-$options"
printf '\nDatabaseSvc.DbType = "sqlite";\nDatabaseSvc.SqliteDbPath = "%s/";\n' "$BOSS_DATABASE" >> "job-$options"

boss.exe "job-$options"
if [ "$options" = jobOptions_ana.txt ]; then
    python to_uhi.py sample.root "$result"
fi
