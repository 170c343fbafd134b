#!/bin/sh
# Brings what the tests on real services need: Debian packages, Consul, and Asterisk 22 in a root of its own.
#   exit 0   everything is there (or, without REQUIRE_SERVICES=1, a reason was given and those tests will be skipped)
#   exit 75  a package mirror did not deliver: try again later, nothing is wrong with the product
#   exit 1   this machine cannot have them, and REQUIRE_SERVICES=1 asks for them
# usage: scripts/install-services.sh PYTHON   (a Python that can import the project)
set -u
cd "$(dirname "$0")/.." || exit 1
python=$1
packages="rabbitmq-server sip-tester baresip-core espeak-ng sox chromium fonts-noto-cjk debootstrap debian-archive-keyring faketime iproute2"
marker=.run/mirror-trouble
mkdir -p .run
rm -f "$marker"

mirror_trouble() {
    echo "MIRROR TROUBLE, not a failed test: $*" >&2
    echo "软件源故障，并非测试失败：$*" >&2
    echo "$*" >"$marker"
    exit 75
}

cannot() {
    echo "real services: $*" >&2
    if [ "${REQUIRE_SERVICES:-}" = 1 ]; then
        echo "REQUIRE_SERVICES=1 asks for them: this is a failure" >&2
        exit 1
    fi
    echo "tests on real services will be skipped where something is missing" >&2
    exit 0
}

# fetch WHAT TROUBLE: a machine's own files; exit 75 of it: the mirror did not deliver, tried once more
fetch() {
    tries=0
    while :; do
        "$python" -m simulation.machines "$1"
        code=$?
        [ $code -eq 0 ] && return
        [ $code -eq 75 ] || exit $code
        tries=$((tries + 1))
        [ "$tries" -lt 2 ] || mirror_trouble "$2"
        sleep 10
    done
}

[ -x /usr/bin/apt-get ] && [ -f /etc/debian_version ] || cannot "this is no Debian, and only Debian packages are known here"

missing=""
for package in $packages; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done

if [ -n "$missing" ]; then
    [ "$(id -u)" = 0 ] || cannot "not root, and these packages are missing:$missing"
    # nothing that is installed here may start by itself
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        trap 'rm -f "$policy"' EXIT INT TERM
    fi
    echo "installing:$missing"
    export DEBIAN_FRONTEND=noninteractive
    tries=0
    until apt-get -q -o Acquire::Retries=3 update && apt-get -q -y -o Acquire::Retries=3 --no-install-recommends install $missing
    do
        tries=$((tries + 1))
        [ "$tries" -lt 3 ] || mirror_trouble "apt-get could not install$missing"
        echo "apt-get failed, trying again ($tries of 3)" >&2
        sleep $((tries * 10))
    done
elif [ "$(id -u)" = 0 ] && [ -z "$(apt-get indextargets 'Identifier: Packages' --format '$(FILENAME)' | xargs -r ls 2>/dev/null)" ]; then
    # the root below is made from the mirror apt knows
    apt-get -q -o Acquire::Retries=3 update || mirror_trouble "apt-get update failed"
fi

[ "$(id -u)" = 0 ] || cannot "not root: Asterisk needs a root of its own (chroot)"

fetch consul "Consul could not be fetched"
fetch root "the Asterisk root could not be made"
