#!/bin/sh
# Run by mmdebstrap once the packages are installed; $1 is the root directory of the image.
set -eu
root="$1"

# Packages for the roles, with all that they depend on, as a flat repository inside the image.
# shellcheck disable=SC2086
chroot "$root" apt-get install --yes --download-only --no-install-recommends $LAB_REPOSITORY
mkdir -p "$root/srv/lab-repository"
mv "$root"/var/cache/apt/archives/*.deb "$root/srv/lab-repository/"
(cd "$root/srv/lab-repository" && dpkg-scanpackages --multiversion . >Packages 2>/dev/null)
chroot "$root" sh -c 'cd /srv/lab-repository && apt-ftparchive -o APT::FTPArchive::Release::Suite=lab release . >/tmp/Release && mv /tmp/Release .'

# Nothing in the image names the mirror it came from.
rm -rf "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/* "$root"/var/lib/apt/lists/* "$root"/etc/apt/apt.conf.d/99mmdebstrap "$root"/etc/dpkg/dpkg.cfg.d/99mmdebstrap
echo 'deb [trusted=yes] file:/srv/lab-repository ./' >"$root/etc/apt/sources.list.d/lab.list"
# The clock of a test machine may be anywhere.
printf 'Acquire::Check-Valid-Until "false";\nAcquire::Check-Date "false";\n' >"$root/etc/apt/apt.conf.d/99lab"
chroot "$root" apt-get update

# Keys and identities belong to a host, not to the image.
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/hostname" "$root/etc/resolv.conf"
: >"$root/etc/machine-id"

chroot "$root" useradd --create-home --shell /bin/bash --groups sudo "$LAB_ADMIN"
echo "$LAB_ADMIN ALL=(ALL:ALL) NOPASSWD: ALL" >"$root/etc/sudoers.d/lab"
chmod 0440 "$root/etc/sudoers.d/lab"

# A host may not set the clock it shares with the machine: chrony measures only, against the collector.
echo 'DAEMON_OPTS="-x -F 1"' >"$root/etc/default/chrony"
sed -i '/^pool /d' "$root/etc/chrony/chrony.conf"
mkdir -p "$root/etc/systemd/system/chrony.service.d"
printf '[Unit]\nConditionCapability=\n' >"$root/etc/systemd/system/chrony.service.d/lab.conf"

echo 'LANG=C.UTF-8' >"$root/etc/default/locale"

# No terminal, no disk of its own.
for unit in console-getty.service getty@.service e2scrub_reap.service e2scrub_all.timer apt-daily.timer \
    apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
