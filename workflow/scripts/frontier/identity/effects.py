"""Detection of statements at the top of a module that do more than bind a name.

These count wherever the module is loaded, whether or not anything refers to them. A statement not
known to be free of effects is assumed to have one.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterable, Mapping

from frontier.identity.scopes import Import


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Calls that return a new value and change nothing.
PURE = _names(
    """
    bool bytes complex dict enumerate filter float frozenset int len list map max min object range
    repr reversed round set slice sorted str sum tuple zip
    collections.OrderedDict collections.defaultdict collections.deque collections.namedtuple
    contextvars.ContextVar dataclasses.field dataclasses.fields datetime.date datetime.datetime
    datetime.timedelta decimal.Decimal enum.auto fractions.Fraction functools.partial
    itertools.chain logging.getLogger operator.attrgetter operator.itemgetter pathlib.Path
    platform.machine platform.node platform.system pydantic.AfterValidator pydantic.BeforeValidator
    pydantic.ConfigDict pydantic.Field pydantic.StringConstraints pydantic.TypeAdapter re.compile
    re.escape reprlib.Repr string.Template struct.Struct tempfile.gettempdir threading.Event
    threading.Lock typing.NewType typing.TypeVar typing.cast types.MappingProxyType
    unicodedata.normalize
    """
)
# Methods that return a value and do not change their object.
PURE_METHODS = _names(
    """
    absolute casefold copy count decode difference encode format from_bytes fromhex fromisoformat
    fromkeys get intersection is_dir is_file items join joinpath keys lower lstrip maketrans
    partition removeprefix removesuffix replace resolve rpartition rsplit rstrip split splitlines
    startswith strip title translate union upper values with_name with_suffix
    """
)
# Decorators that transform a definition and register it nowhere.
PURE_DECORATORS = _names(
    """
    classmethod property staticmethod abc.abstractmethod contextlib.asynccontextmanager
    contextlib.contextmanager dataclasses.dataclass enum.unique functools.cache
    functools.cached_property functools.lru_cache functools.total_ordering typing.final
    typing.no_type_check typing.overload typing.override typing.runtime_checkable
    """
)
# Base classes whose subclasses are not looked up anywhere.
PLAIN_BASES = _names(
    """
    abc.ABC ast.NodeTransformer ast.NodeVisitor collections.OrderedDict collections.UserDict
    enum.Enum enum.IntEnum enum.StrEnum html.parser.HTMLParser json.JSONEncoder
    logging.Formatter logging.Handler pydantic.BaseModel torch.nn.Module typing.Generic
    typing.NamedTuple typing.Protocol typing.TypedDict threading.Thread
    transformers.StoppingCriteria
    """
)
_PURE_NODES = (
    ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.Slice, ast.Tuple, ast.List, ast.Set,
    ast.Dict, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.JoinedStr,
    ast.FormattedValue, ast.Starred, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
    ast.comprehension, ast.keyword, ast.expr_context, ast.operator, ast.unaryop, ast.boolop,
    ast.cmpop,
)  # fmt: skip

Imports = Mapping[str, Import]
"""A module's imports from outside the project; the project's own functions may have effects."""


Own = Callable[[ast.expr], bool]
"""Tells if a call to one of the project's own definitions only returns a value."""


def _unknown(_function: ast.expr) -> bool:
    return False


def path_of(node: ast.expr, imports: Imports) -> str | None:
    """The dotted name of what an expression refers to, `re.compile` or a builtin; None: unknown."""
    if isinstance(node, ast.Attribute):
        base = path_of(node.value, imports)
        return f"{base}.{node.attr}" if base else None
    if isinstance(node, ast.Subscript):  # Generic[T]
        return path_of(node.value, imports)
    if not isinstance(node, ast.Name):
        return None
    found = imports.get(node.id)
    if found is None:
        return node.id if hasattr(builtins, node.id) else None
    return f"{found.module}.{found.name}" if found.name else found.module


def has_effect(node: ast.stmt, imports: Imports) -> bool:
    """True if a statement at the top of a module may do more than bind names."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Pass():
            return False
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            values = [*node.args.defaults, *(one for one in node.args.kw_defaults if one)]
            return _decorated(node.decorator_list, imports) or not _all_pure(values, imports)
        case ast.ClassDef():
            return _class_has_effect(node, imports)
        case ast.Assign() | ast.AnnAssign():
            return not only_makes(node, imports)
        case ast.If():
            inside = [*node.body, *node.orelse]
            return not is_pure(node.test, imports) or any(has_effect(n, imports) for n in inside)
        case ast.Try():
            handled = [part for handler in node.handlers for part in handler.body]
            inside = [*node.body, *handled, *node.orelse, *node.finalbody]
            return any(has_effect(part, imports) for part in inside)
    return True


def is_pure(node: ast.AST, imports: Imports, own: Own = _unknown) -> bool:
    """True if evaluating an expression changes nothing; `own` decides for the project's calls."""
    if isinstance(node, ast.Lambda):
        return True
    if isinstance(node, ast.Call):
        parts = [*node.args, *(one.value for one in node.keywords)]
        method = isinstance(node.func, ast.Attribute) and node.func.attr in PURE_METHODS
        return _all_pure(parts, imports, own) and (
            path_of(node.func, imports) in PURE
            or (method and is_pure(node.func, imports, own))
            or own(node.func)
        )
    inside = ast.iter_child_nodes(node)
    return isinstance(node, _PURE_NODES) and _all_pure(inside, imports, own)


def only_makes(node: ast.stmt, imports: Imports, own: Own = _unknown) -> bool:
    """True if a statement only binds names to values, or returns one, and changes nothing else."""
    match node:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Assign():
            return all(map(_is_name, node.targets)) and is_pure(node.value, imports, own)
        case ast.AnnAssign() | ast.Return():
            bound = isinstance(node, ast.Return) or _is_name(node.target)
            return bound and (node.value is None or is_pure(node.value, imports, own))
        case ast.If():
            inside = [*node.body, *node.orelse]
            return is_pure(node.test, imports, own) and all(
                only_makes(part, imports, own) for part in inside
            )
    return False


def _all_pure(nodes: Iterable[ast.AST], imports: Imports, own: Own = _unknown) -> bool:
    return all(is_pure(node, imports, own) for node in nodes)


def _is_name(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple | ast.List):
        return all(map(_is_name, node.elts))
    return isinstance(node, ast.Name)


def _decorated(decorators: list[ast.expr], imports: Imports) -> bool:
    """True if one of the decorators may register what it decorates."""
    called = (one.func if isinstance(one, ast.Call) else one for one in decorators)
    return any(path_of(one, imports) not in PURE_DECORATORS for one in called)


def _class_has_effect(node: ast.ClassDef, imports: Imports) -> bool:
    """True if a class may be registered somewhere, or its body does more than define.

    A base class of the project itself is checked where the graph is known (`__init_subclass__`).
    """
    keywords = any(one.arg != "frozen" for one in node.keywords)
    bases = [path_of(base, imports) for base in node.bases]
    foreign = any(base not in PLAIN_BASES and not hasattr(builtins, base) for base in bases if base)
    inside = any(
        isinstance(part, ast.Expr) and not isinstance(part.value, ast.Constant)
        for part in node.body
    )
    return keywords or foreign or inside or _decorated(node.decorator_list, imports)
