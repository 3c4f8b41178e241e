"""Find out whether a release could still be built from upstream: ask, judge, resolve, compare."""

from builder.rebuild.upstream.ask import Upstream, ask_upstream
from builder.rebuild.upstream.client import Manners
from builder.rebuild.upstream.remembered import remembered_validators
from builder.rebuild.upstream.validators import Validator

__all__ = ["Manners", "Upstream", "Validator", "ask_upstream", "remembered_validators"]
