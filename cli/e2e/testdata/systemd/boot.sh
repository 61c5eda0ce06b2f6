#!/usr/bin/env bash
# Boots the systemd of this machine with the unit of tidegate, and nothing else,
# on a copy of this machine's files that is gone afterwards. It needs a mount
# namespace of its own: unshare --mount --propagation private boot.sh DIR BIN UNIT
set -euo pipefail
dir=$1 bin=$(realpath "$2") unit=$(realpath "$3")
mount -t tmpfs tmpfs "$dir"
mkdir "$dir/upper" "$dir/work" "$dir/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
cd "$dir/root"
install -m 755 "$bin" usr/local/bin/tidegate
install -m 644 "$unit" etc/systemd/system/tidegate.service
rm -rf etc/systemd/system/*.wants var/lib/tidegate var/lib/private/tidegate
exec systemd-nspawn --directory=. --machine="tidegate-$$" --register=no --keep-unit --private-network \
	--link-journal=no --console=pipe --boot -- --unit=tidegate.service --log-level=notice
