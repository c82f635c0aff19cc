#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the image is compiled with and made of. Asks no mirror for what is there.
set -eu

packages='ca-certificates gcc libc6-dev libcurl4-openssl-dev libevent-dev libjson-c-dev libseccomp-dev libssl-dev libsystemd-dev meson ninja-build pkgconf'

[ "${1:-}" != --list ] || {
	echo "$packages"
	exit 0
}
# words
# shellcheck disable=SC2086
if [ "$(dpkg-query -W -f '${db:Status-Status}\n' $packages 2>/dev/null | grep -cx installed)" = "$(echo $packages | wc -w)" ]; then
	exit 0
fi
apt-get -q update
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $packages
