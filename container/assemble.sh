#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# assemble.sh INSTALLED ROOT: makes the image's root directory from what "meson install" put below INSTALLED, and from the libraries of this Debian.
set -eu

installed=$1 root=$2
user=10001

# the programs; Debian's links from /lib to /usr/lib
mkdir -p "$root/etc/ssl/certs" "$root/etc/sftokend/credentials" "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib" "$root/usr/lib64" "$root/usr/libexec" \
	"$root/run/sftokend" "$root/run/sftoken" "$root/secrets" "$root/tmp" "$root/var/lib/sftokend" "$root/var/lib/dpkg/status.d"
for folder in bin sbin lib lib64; do
	ln -s "usr/$folder" "$root/$folder"
done
ln -s ../run "$root/var/run"
cp "$installed/usr/sbin/sftokend" "$root/usr/sbin/"
cp "$installed/usr/bin/sftoken" "$root/usr/bin/"
cp -r "$installed/usr/libexec/sftokend" "$installed/usr/libexec/sftoken" "$root/usr/libexec/"
cp -P "$installed"/usr/lib/libsftoken.so.* "$root/usr/lib/"
strip "$root"/usr/sbin/sftokend "$root"/usr/bin/sftoken "$root"/usr/libexec/*/*

# libraries: those they are linked to, and the one that sftoken loads when it needs it; where Debian has them
libraries() {
	ldd "$root"/usr/sbin/sftokend "$root"/usr/bin/sftoken "$root"/usr/libexec/*/* | sed -n 's/^.* => \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/lib64[^ ]*\) .*/\1/p'
}
# libgcc_s: glibc loads it by itself when a thread is cancelled
for library in $(libraries | sort -u) /lib/*/libgcc_s.so.1; do
	mkdir -p "$root$(dirname "$library")"
	cp -L "$library" "$root$library"
	dpkg -S "*/$(basename "$library")" | cut -d: -f1 | grep -v -- '-dev$' | head -n 1 >>"$root/tmp/packages"
done

# OpenSSL's own configuration, its modules for old key files, and whom to trust
mkdir "$root/usr/lib/ssl"
cp -P /usr/lib/ssl/certs /usr/lib/ssl/openssl.cnf "$root/usr/lib/ssl/"
cp -L /etc/ssl/openssl.cnf "$root/etc/ssl/"
modules=$(dirname "$(find /usr/lib -path '*/ossl-modules/legacy.so')")
[ "$modules" = . ] || cp -r --parents "$modules" "$root"
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
echo ca-certificates >>"$root/tmp/packages"

# for scanners, which look for packages there in images like this, and for their licences
sort -u "$root/tmp/packages" | while read -r package; do
	dpkg-query -s "$package" >"$root/var/lib/dpkg/status.d/$package"
	[ ! -e "/usr/share/doc/$package/copyright" ] || cp --parents -L "/usr/share/doc/$package/copyright" "$root"
done
rm "$root/tmp/packages"

# names, and directories that may be written; new volumes of podman and docker get their owner
printf 'root:x:0:0:root:/:/nologin\nsftokend:x:%s:%s::/var/lib/sftokend:/nologin\n' $user $user >"$root/etc/passwd"
printf 'root:x:0:\nsftoken:x:%s:\n' $user >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
chown $user:$user "$root/run/sftokend" "$root/run/sftoken" "$root/var/lib/sftokend"
chmod 755 "$root/run/sftokend" "$root/run/sftoken"
chmod 700 "$root/var/lib/sftokend"
chmod 1777 "$root/tmp"
ldconfig -r "$root"
