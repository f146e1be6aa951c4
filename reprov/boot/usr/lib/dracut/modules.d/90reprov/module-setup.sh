#!/bin/bash
# shellcheck disable=SC2154 # dracut sets what is not set here
# Puts into an initramfs what carries out an armed change of the root, or takes up an interrupted one, before the root's system starts.

check() {
    [[ -e $dracutsysrootdir/usr/lib/reprov/boot/at-root ]]
}

depends() {
    return 0
}

install() {
    local digest
    local hook=lib/dracut/hooks/pre-pivot/50-reprov.sh

    inst_multiple chroot mount sh umount
    inst_simple /usr/lib/reprov/boot/at-root
    # Of those that are called with 50, by name: after usrmount's has mounted /usr, before selinux' loads the policy of the root.
    inst_hook pre-pivot 50 "$moddir/reprov.sh"

    # The name of this file tells, in a mere listing, what the image holds (reprov.domain.boot_hook).
    digest=$(cat "$initdir/$hook" "$initdir/usr/lib/reprov/boot/at-root" | sha256sum)
    : >"$initdir/usr/lib/reprov/boot/hook-${digest%% *}"
}
