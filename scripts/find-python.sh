#!/bin/sh
# Prints a Python >= 3.11 that can make a virtual environment, or says which one command brings it.
for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
    [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
        command -v "$candidate"
        exit 0
    fi
    without_venv=$candidate
done
if [ -n "${without_venv:-}" ]; then
    version=$("$without_venv" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if [ -f /etc/debian_version ]; then
        remedy="apt-get install python$version-venv"
        [ "$(id -u)" = 0 ] || remedy="sudo $remedy"
    else
        remedy="install the venv module of Python $version"
    fi
    echo "Python $version 不能创建虚拟环境，请先运行：$remedy" >&2
    echo "Python $version cannot make virtual environments; first run: $remedy" >&2
else
    echo "需要 Python 3.11 或更新（可用 make PYTHON=/path/to/python3 指定）" >&2
    echo "Python 3.11 or newer is needed (name one with make PYTHON=/path/to/python3)" >&2
fi
exit 1
