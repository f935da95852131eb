# SPDX-License-Identifier: MIT
EXTRA_DIST += contrib/check contrib/packages.sh .ci/run
