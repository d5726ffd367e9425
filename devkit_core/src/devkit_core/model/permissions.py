"""Permissions: what a plugin may ask for, and how it is spelled."""

from __future__ import annotations

import ipaddress
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from devkit_core.errors import UsageError

__all__ = [
    "KNOWN",
    "REFUSED_ENVIRONMENT",
    "Permission",
    "PermissionRequest",
    "Scope",
    "parse_permission",
    "refused_variable",
    "within",
]

#: the rights that DevKit knows, with the scope each takes; all others are custom and have no kernel meaning
KNOWN: dict[tuple[str, str], str] = {
    ("filesystem", "read"): "path?",
    ("filesystem", "write"): "path?",
    ("filesystem", "read-write"): "path?",
    ("network", "http"): "",
    ("network", "https"): "",
    ("network", "access"): "",
    ("network", "none"): "",
    ("network", "connect"): "endpoint",
    ("process", "spawn"): "",
    ("environment", "read"): "variable?",
    ("system", "info"): "",
    ("plugin", "call"): "plugin?",
}
_PARTS = {
    ("filesystem", "read-write"): (("filesystem", "read"), ("filesystem", "write")),
    ("network", "access"): (("network", "http"), ("network", "https")),
}
_PORTS = {"80": ("network", "http"), "443": ("network", "https")}
# The first DevKit's names of rights, and the words its templates used for them; letters and digits only.
_FORMER = {
    "filesystemread": ("filesystem", "read"),
    "filesystemwrite": ("filesystem", "write"),
    "filesystemreadwrite": ("filesystem", "read-write"),
    "processexecution": ("process", "spawn"),
    "processspawn": ("process", "spawn"),
    "networkaccess": ("network", "access"),
    "networkhttp": ("network", "http"),
    "networkhttps": ("network", "https"),
    "networknone": ("network", "none"),
    "environmentaccess": ("environment", "read"),
    "environmentread": ("environment", "read"),
    "systeminfo": ("system", "info"),
}
_DOMAINS = frozenset(domain for domain, _ in KNOWN)
_ROOTS = ("$PLUGIN", "$CWD", "$SCRATCH")
_LONGEST = 1024
_CUSTOM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/@+=:-]*")
_PLUGIN = re.compile(r"[a-z0-9-]{1,64}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?")

#: variables that make a loader, an interpreter or a shell run other code; a name ending in `*` is a prefix
REFUSED_ENVIRONMENT = (
    "LD_*",
    "DYLD_*",
    "PYTHON*",
    "NODE_*",
    "BASH_*",
    "DEVKIT_*",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "MALLOC_*",
    "ENV",
    "IFS",
    "SHELLOPTS",
    "PS4",
    "PERL5OPT",
    "PERL5LIB",
    "RUBYOPT",
    "RUBYLIB",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "DOTNET_STARTUP_HOOKS",
    "OPENSSL_CONF",
    "OPENSSL_ENGINES",
    "OPENSSL_MODULES",
    "LOCPATH",
    "NLSPATH",
    "HOSTALIASES",
    "RESOLV_HOST_CONF",
    "GIT_*",
)


class Scope:
    """What a permission's scope means, by domain; a namespace of checks."""

    @staticmethod
    def path(text: str) -> str:
        """Return a path in its normal form: absolute or below $PLUGIN, $CWD or $SCRATCH, without `..`."""
        root, slash, rest = text.partition("/")
        if root not in _ROOTS and root != "":
            raise ValueError("a path starts with $PLUGIN, $CWD, $SCRATCH or /")
        if root == "" and not slash:
            raise ValueError("the path is empty")
        steps = [step for step in rest.split("/") if step not in ("", ".")]
        if ".." in steps:
            raise ValueError("a path can't contain `..`")
        return posixpath.join(root or "/", *steps)

    @staticmethod
    def endpoint(text: str) -> str:
        """Return HOST:PORT in its normal form: host in lower case, an IPv6 address in brackets."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65536:
            raise ValueError("an endpoint is HOST:PORT, the port from 1 to 65535")
        if host.startswith("[") and host.endswith("]") and "%" not in host:
            return f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]:{int(port)}"
        host = host.lower()
        if len(host) > 253 or not _HOST.fullmatch(host):
            raise ValueError("the host is a name, an IPv4 address or an IPv6 address in brackets")
        return f"{host.rstrip('.')}:{int(port)}"

    @staticmethod
    def plugin(text: str) -> str:
        """Return the id of a plugin."""
        if not _PLUGIN.fullmatch(text):
            raise ValueError("a plugin's id is lower-case letters, digits and hyphens, at most 64")
        return text

    @staticmethod
    def variable(text: str) -> str:
        """Return the name of an environment variable, if a plugin may be given it."""
        if not _VARIABLE.fullmatch(text):
            raise ValueError("a variable's name is letters, digits and underscores")
        if refused_variable(text):
            raise ValueError(f"{text} makes other programs run other code, so no plugin is given it")
        return text


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """One right; `scope` narrows it. A custom right has the domain `custom` and its text as `action`.

    Made by `parse_permission`, which brings the parts into their one normal form.
    """

    domain: str
    action: str
    scope: str | None = None

    def __str__(self) -> str:
        if self.domain == "custom":
            return self.action
        scope = "" if self.scope is None else f"={self.scope}"
        return f"{self.domain}:{self.action}{scope}"

    @property
    def is_custom(self) -> bool:
        """Whether it is only shown to policies: nothing in the kernel or in DevKit depends on it."""
        return self.domain == "custom"

    def parts(self) -> tuple[Permission, ...]:
        """Return the single rights it stands for: `filesystem:read-write` is read and write."""
        names = _PARTS.get((self.domain, self.action))
        return (self,) if names is None else tuple(Permission(*name, self.scope) for name in names)

    def covers(self, other: Permission) -> bool:
        """Say whether whoever has this right has the other too; both may have several parts."""
        mine = self.parts()
        return all(any(_part_covers(one, part) for one in mine) for part in other.parts())

    def narrows(self, asked: Permission) -> bool:
        """Say whether granting this gives a part of what is asked, and no more than the user named.

        Besides what `asked` covers: `network:connect=HOST:443` narrows `network:https`.
        """
        if asked.covers(self):
            return True
        if (self.domain, self.action) != ("network", "connect") or self.scope is None:
            return False
        name = _PORTS.get(self.scope.rpartition(":")[2])
        return name is not None and asked.covers(Permission(*name))


@dataclass(frozen=True, slots=True)
class PermissionRequest:
    """What a policy is asked: may this plugin have this right, which the user granted or not?"""

    plugin: str
    permission: Permission
    granted: bool


def parse_permission(text: str) -> Permission:
    """Return a right in its normal form; UsageError `permission-invalid` says what is wrong.

    `domain:action[=SCOPE]`. The first DevKit's spellings are read too (`FileSystemRead`,
    `filesystem_read`, `ProcessExecution`); `NetworkAccess` is `network:access`, http and https. A word
    of no known domain is a custom right; an unknown action of a known domain is an error, since
    dropping it silently would leave a plugin without what its author meant.
    """
    if not isinstance(text, str) or not text:
        raise _invalid("a permission is a text such as filesystem:read")
    if len(text) > _LONGEST:
        raise _invalid(f"a permission has at most {_LONGEST} characters, this one has {len(text)}")
    if not text.isprintable():
        raise _invalid(f"the permission {text[:80]!r} has characters that can't be shown")
    word, equals, scope = re.sub(r"^(plugin:call):", r"\1=", text.strip()).partition("=")
    name = _name(word)
    if name is None:
        return _custom(text.strip())
    takes = KNOWN[name]
    if not equals:
        if takes and not takes.endswith("?"):
            raise _invalid(f"{text!r} needs a scope", hint=f"write {':'.join(name)}=HOST:PORT")
        return Permission(*name)
    if not takes:
        raise _invalid(f"{':'.join(name)} takes no scope", hint=f"write {':'.join(name)}")
    try:
        return Permission(*name, getattr(Scope, takes.rstrip("?"))(scope))
    except ValueError as error:
        raise _invalid(f"the scope of {text!r} is wrong: {error}") from None


def within(path: str, base: str) -> bool:
    """Say whether a normal path is the other one or below it, step by step."""
    return path == base or path.startswith(base.rstrip("/") + "/")


def refused_variable(name: str) -> bool:
    """Say whether this environment variable is never given to a plugin, asked or not."""
    upper = name.upper()
    return any(upper.startswith(r[:-1]) if r.endswith("*") else upper == r for r in REFUSED_ENVIRONMENT)


def _name(word: str) -> tuple[str, str] | None:
    domain, colon, action = word.lower().replace("_", "-").partition(":")
    if colon and domain in _DOMAINS:
        if (domain, action) in KNOWN:
            return domain, action
        known = [f"{d}:{a}" for d, a in KNOWN if d == domain]
        near: Iterable[str] = get_close_matches(f"{domain}:{action}", known, n=1) or known
        raise _invalid(f"{word!r} is no permission", hint=f"known here: {', '.join(near)}")
    return _FORMER.get(re.sub(r"[:_-]", "", word).lower())


def _custom(text: str) -> Permission:
    if len(text) > 128 or not _CUSTOM.fullmatch(text):
        raise _invalid(
            f"{text[:128]!r} is no permission",
            hint="write domain:action, as filesystem:read; your own names have letters, digits, ._/@+=:-",
        )
    return Permission("custom", text)


def _part_covers(mine: Permission, other: Permission) -> bool:
    if (mine.domain, mine.action) != (other.domain, other.action):
        return False
    if mine.scope == other.scope or (mine.domain == "plugin" and mine.scope is None):
        return True
    if mine.domain != "filesystem" or other.scope is None:
        return False
    if mine.scope is not None:
        return within(other.scope, mine.scope)
    # The bare word means $PLUGIN and $CWD when reading, $CWD alone when writing.
    roots = _ROOTS[:2] if mine.action == "read" else _ROOTS[1:2]
    return any(within(other.scope, root) for root in roots)


def _invalid(message: str, hint: str | None = None) -> UsageError:
    known = "see `devkit explain permission-invalid` for the permissions there are"
    return UsageError(message, code="permission-invalid", hint=hint or known)
