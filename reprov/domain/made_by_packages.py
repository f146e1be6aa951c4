"""What no package owns although packages made it: written by maintainer scripts and triggers, and so in every release, too."""

from reprov.domain.entry import is_below
from reprov.domain.rules import Rule, RuleList

_ALTERNATIVES = "etc/alternatives"
_LINKS = "links that update-alternatives made"
_BUNDLES = "links and bundles of certificates, made by update-ca-certificates"
_KNOWN = (
    ("/usr/**/__pycache__/", "byte code, compiled when a package was installed"),
    ("/usr/lib/**.cache", "caches of plug-ins, made by triggers"),
    ("/usr/lib/modules/*/modules.*", "module indexes, made by depmod"),
    ("/usr/lib/locale/", "compiled locales, made by locale-gen"),
    ("/usr/lib/udev/hwdb.bin", "the compiled hardware database, made by a trigger"),
    ("/usr/share/icons/*/icon-theme.cache", "caches of icon themes, made by triggers"),
    ("/usr/share/applications/mimeinfo.cache", "the index of desktop files, made by a trigger"),
    ("/usr/share/glib-2.0/schemas/gschemas.compiled", "compiled settings schemas, made by a trigger"),
    ("/usr/share/mime/**", "the database of file types, made by a trigger"),
    ("/usr/share/info/dir*", "the index of the info pages, made by a trigger"),
    ("/usr/share/fonts/**.uuid", "marks of fontconfig"),
    ("/boot/initr*", "initramfs images, made for the installed kernel"),
    ("/vmlinuz*", "links to the newest kernel"),
    ("/initrd.img*", "links to the newest kernel"),
    ("/etc/alternatives/**", _LINKS),
    ("/etc/rc?.d/*", "links that enable init scripts, made when a package was installed"),
    ("/etc/ld.so.cache", "made by ldconfig"),
    ("/etc/mtab", "a link to what is mounted"),
    ("/etc/ssl/certs/*.0", _BUNDLES),
    ("/etc/ssl/certs/*.1", _BUNDLES),
    ("/etc/ssl/certs/ca-certificates.crt", _BUNDLES),
    ("/usr/lib/reprov/", "reprov itself, which a build puts into every tree"),
    ("/usr/sbin/reprov", "reprov itself, which a build puts into every tree"),
    ("*.dpkg-old", "left by dpkg beside a configuration file"),
    ("*.dpkg-dist", "left by dpkg beside a configuration file"),
    ("*.ucf-old", "left by ucf beside a configuration file"),
    ("*.ucf-dist", "left by ucf beside a configuration file"),
)
# The reason stands where a list's rule has its file.
_RULES = RuleList(tuple(Rule(pattern, include=False, source=why, line=0) for pattern, why in _KNOWN))
_ALTERNATIVE = Rule("/etc/alternatives/**", include=False, source=_LINKS, line=0)
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_MERGED_LINK = Rule("/lib*", include=False, source="links of a merged /usr", line=0)
_CERTIFICATE = Rule("/etc/ssl/certs/*.pem", include=False, source=_BUNDLES, line=0)


def made_by_packages(path: str, *, is_dir: bool, target: str) -> Rule | None:
    """The rule, whose source is the reason, that knows an unowned path as made by packages; `target` is a link's, else ""."""
    if is_below(target.lstrip("/"), _ALTERNATIVES):
        return _ALTERNATIVE
    if path in _MERGED and is_below(target.lstrip("/"), "usr"):
        return _MERGED_LINK
    if path.startswith("etc/ssl/certs/") and target.startswith("/usr/share/ca-certificates/"):
        return _CERTIFICATE
    return _RULES.first_match(path, is_dir=is_dir)
