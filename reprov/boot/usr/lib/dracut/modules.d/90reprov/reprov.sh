#!/bin/sh
# Sourced by dracut when the root is mounted and nothing of it runs yet. Every boot comes through here: builtins only, unless there is
# something to do.

# The system that is about to start can tell by this that its next boot comes through here, too.
for _reprov_file in /usr/lib/reprov/boot/hook-*; do
    echo "${_reprov_file##*/hook-}" 2> /dev/null > /run/reprov-boot-hook
done
unset _reprov_file

if [ -e "$NEWROOT/.reprov/armed" ] || [ -e "$NEWROOT/.reprov/journal" ]; then
    sh /usr/lib/reprov/boot/at-root "$NEWROOT"
fi
:
