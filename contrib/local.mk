# SPDX-License-Identifier: MIT
EXTRA_DIST += contrib/check contrib/quickstart contrib/packages.sh .ci/run
EXTRA_DIST += contrib/bench/run contrib/bench/metarate.c contrib/bench/table.awk contrib/bench/recovery contrib/bench/manyfiles.c
