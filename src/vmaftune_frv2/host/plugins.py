"""Loading plugins and calling them so that a broken one costs a warning, not the sweep."""

from __future__ import annotations

import copy
import functools
import importlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import pluggy

from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.host import hookspecs

ENTRY_POINT_GROUP = hookspecs.PROJECT
PLUGINS_VARIABLE = "VMAFTUNE_PLUGINS"
"""Names of the installed plugins to load, separated by commas; set but empty loads none."""

BUILTIN_NAME = "frv2"
BUILTIN_MODULE = "vmaftune_frv2.plugin"


def warn(message: str) -> None:
    """One line of warning on stderr."""
    click.echo(f"Warning: {' '.join(message.split())}", err=True)


@dataclass
class Plugins:
    """The loaded plugins.

    Attributes:
        manager: pluggy's manager.
        origins: {plugin name: distribution and version, or "built in"}.
        broken: {plugin name: why it was not loaded}.
    """

    manager: pluggy.PluginManager
    origins: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    _warned: set[tuple[str, str]] = field(default_factory=set)

    def each(
        self,
        hook: str,
        read: Callable[[Any], Any] = lambda answer: answer,
        instead: Callable[[BaseException], Any] | None = None,
        **arguments: Any,
    ) -> Iterator[tuple[str, Any]]:
        """Calls every implementation of a hook; one that raises is named in one warning and passed over.

        Args:
            hook: its name.
            read: turns an answer into what is yielded; raises for one of the wrong kind.
            instead: what our own implementation is taken to have said where it fails; others are passed over.
            arguments: of the hook.

        Yields:
            Plugin name and what its implementation returned, last registered first.
        """
        caller = getattr(self.manager.hook, hook, None)  # another host need not know every hook of ours
        for impl in reversed(caller.get_hookimpls() if caller else []):
            own = impl.plugin is sys.modules.get(BUILTIN_MODULE)  # whatever name a host gave it
            if impl.wrapper or impl.hookwrapper:
                self.warn_once(impl.plugin_name, hook, f"wraps {hook}; wrappers are not called")
                continue
            try:
                answer = read(impl.function(*(self._given(arguments, name, own) for name in impl.argnames)))
            except (Exception, SystemExit) as error:
                if own and instead is not None:
                    yield impl.plugin_name, instead(error)
                else:
                    self.warn_once(impl.plugin_name, hook, f"failed in {hook}: {type(error).__name__}: {error}")
                continue
            yield impl.plugin_name, answer

    @staticmethod
    def _given(arguments: Mapping[str, Any], name: str, own: bool) -> Any:
        """An argument for an implementation; rows are copied for those that are not our own."""
        return copy.deepcopy(arguments[name]) if name == "row" and not own else arguments[name]

    def warn_once(self, plugin: str, about: str, message: str) -> None:
        """Warns of a plugin, once per plugin and subject."""
        if (plugin, about) not in self._warned:
            self._warned.add((plugin, about))
            warn(f"plugin {plugin} {message}")

    def tell(self, hook: str, **arguments: Any) -> None:
        """Calls every implementation of a hook whose results do not matter."""
        for _ in self.each(hook, **arguments):
            pass


def plugins_of(context: click.Context | None) -> Plugins:
    """The plugins of the host that runs a command: those of the manager that is its context object.

    Where a host shows none, they are loaded as our own host would.
    """
    manager = context and context.find_object(pluggy.PluginManager)
    return load_plugins() if manager is None else plugins_in(manager)


@functools.cache
def plugins_in(manager: pluggy.PluginManager) -> Plugins:
    """What is known of a manager's plugins, whose encoders are registered when it is first met."""
    plugins = Plugins(manager)
    plugins.origins.update({name: "of this host" for name, plugin in manager.list_name_plugin() if plugin})
    plugins.tell("vmaftune_register_encoders", register=ENCODERS.register)
    return plugins


def load_plugins() -> Plugins:
    """A manager with our own plugin and every installed one that loads and fits the hooks."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    plugins = plugins_in(manager)  # still empty
    manager.register(importlib.import_module(BUILTIN_MODULE), BUILTIN_NAME)
    plugins.origins[BUILTIN_NAME] = "built in"
    for name, origin, load in _installed():
        _add(plugins, name, origin, load)
    plugins.tell("vmaftune_register_encoders", register=ENCODERS.register)
    return plugins


def _installed() -> Iterator[tuple[str, str, Callable[[], object]]]:
    wanted = os.environ.get(PLUGINS_VARIABLE)
    names = None if wanted is None else {name.strip() for name in wanted.split(",") if name.strip()}
    if names == set() or (names is None and not _any_installed()):
        return
    from importlib.metadata import entry_points

    missing = set(names or ())
    for point in entry_points(group=ENTRY_POINT_GROUP):
        if point.value == BUILTIN_MODULE or (names is not None and point.name not in names):
            continue
        missing.discard(point.name)
        origin = f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"
        yield point.name, origin, point.load
    for name in sorted(missing - {BUILTIN_NAME}):
        warn(f"{PLUGINS_VARIABLE} names {name}, which is not installed")


def _any_installed() -> bool:
    """Whether any distribution but ours declares the group.

    importlib.metadata takes longer to import than all else here; without plugins it is not needed.
    """
    header = f"[{ENTRY_POINT_GROUP}]".encode()
    for folder in dict.fromkeys(sys.path):
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            if name.endswith((".dist-info", ".egg-info")) and not name.startswith("vmaftune_frv2-"):
                points = Path(folder, name, "entry_points.txt")
                if points.exists() and header in points.read_bytes():
                    return True
    return False


def _add(plugins: Plugins, name: str, origin: str, load: Callable[[], object]) -> None:
    manager = plugins.manager
    try:
        if manager.has_plugin(name):
            raise ValueError(f"another plugin, from {plugins.origins[name]}, has this name")
        plugin = load()
        try:
            manager.register(plugin, name)
            _reject_misfits(manager, plugin)
        except Exception:
            if manager.has_plugin(name):
                manager.unregister(name=name)
            raise
    except (Exception, SystemExit) as error:
        plugins.broken[name] = f"{type(error).__name__}: {error}"
        warn(f"plugin {name} ({origin}) was not loaded: {plugins.broken[name]}")
    else:
        plugins.origins[name] = origin


def _reject_misfits(manager: pluggy.PluginManager, plugin: object) -> None:
    """A mistyped hook name would never be called; pluggy only says so when asked."""
    manager.check_pending()
    for caller in manager.get_hookcallers(plugin) or []:
        for impl in caller.get_hookimpls():
            if impl.plugin is plugin and (impl.hookwrapper or impl.wrapper):
                raise TypeError(f"{caller.name} cannot be a wrapper; each implementation is called on its own")
