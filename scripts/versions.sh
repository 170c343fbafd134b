#!/bin/sh
# Prints the versions of everything the tests run on. usage: scripts/versions.sh PYTHON NODE
cd "$(dirname "$0")/.." || exit 1
echo "--- versions"
echo "system     $(. /etc/os-release 2>/dev/null && echo "$PRETTY_NAME"), kernel $(uname -r), $(nproc) cores"
echo "commit     $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
echo "python     $("$1" -V 2>&1)"
[ -x "${2:-}" ] && echo "node       $("$2" --version)"
for package in rabbitmq-server sip-tester baresip-core espeak-ng sox chromium debootstrap; do
    version=$(dpkg-query -W -f '${Version}' "$package" 2>/dev/null) && printf '%-10s %s\n' "$package" "$version"
done
root=${YHT_CACHE:-$HOME/.cache/yihaotong}/asterisk-root
[ -x "$root/usr/sbin/asterisk" ] && [ "$(id -u)" = 0 ] && echo "asterisk   $(chroot "$root" asterisk -V)"
"$1" -m pip list --format freeze 2>/dev/null | grep -iE '^(twisted|txamqp|pytest|mypy|ruff|playwright|msgspec|hypothesis)=' | sed 's/==/ /' | while read -r name version; do printf '%-10s %s\n' "$name" "$version"; done
echo "---"
