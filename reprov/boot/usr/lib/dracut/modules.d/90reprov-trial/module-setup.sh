#!/bin/bash
# Puts into an initramfs the watchdog of a trial boot: the script that initramfs-tools runs first.

# shellcheck disable=SC2154 # dracut's own variables

check() {
    [[ -e $dracutsysrootdir/usr/share/initramfs-tools/scripts/init-top/reprov-trial ]]
}

depends() {
    return 0
}

install() {
    inst_multiple sh sleep mkdir
    inst_simple /usr/share/initramfs-tools/scripts/init-top/reprov-trial /usr/lib/reprov/boot/reprov-trial
    # A systemd that leaves its initramfs ends every process, but for those whose first word begins with @.
    mkdir -p "$initdir/usr/lib/reprov/boot/spared"
    ln -sf /bin/sh "$initdir/usr/lib/reprov/boot/spared/@sh"
    ln -sf /bin/sleep "$initdir/usr/lib/reprov/boot/spared/@sleep"
    inst_hook cmdline 01 "$moddir/trial.sh"
}
