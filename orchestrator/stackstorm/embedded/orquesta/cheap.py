"""Which expressions cost no more than the data they are given: no loops, no powers, no patterns, no products.

Everything else can take any time and memory, whatever its text looks like, and is better evaluated where it can be
stopped. The lists name what is cheap, so that what nobody thought of is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jinja2 import nodes
from yaql.language import expressions as yaql_nodes

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_TEXT: Final = 10_000
"""Characters; a longer text costs too much to be read, whatever it says."""

_ABOUT_THE_WORKFLOW = frozenset(
    {"ctx", "item", "result", "succeeded", "failed", "completed", "task_status", "task", "st2kv"}
)
_ABOUT_VERSIONS = frozenset(
    f"version_{name}"
    for name in (
        *("compare", "more_than", "less_than", "equal", "match"),
        *("bump_major", "bump_minor", "bump_patch", "strip_patch"),
    )
)
_FUNCTIONS = _ABOUT_THE_WORKFLOW | _ABOUT_VERSIONS | {"basename", "dirname", "use_none"}

_YAQL = _FUNCTIONS | {
    *(
        "*equal",
        "*not_equal",
        "#list",
        "#map",
        "#indexer",
        "#unary_operator_not",
        "#unary_operator_-",
        "#unary_operator_+",
    ),
    *(f"#operator_{sign}" for sign in (".", "?.", "<", ">", "<=", ">=", "and", "or", "in", "+", "-", "/")),
    *("get", "keys", "values", "items", "containsKey", "len", "isEmpty", "first", "last", "coalesce", "switch"),
    *("str", "int", "float", "bool", "isString", "isList", "isDict", "isNumber", "isInteger", "isBoolean"),
    *("toUpper", "toLower", "trim", "startsWith", "endsWith", "substring", "indexOf"),
}
_JINJA_NODES = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem),
    *(nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr, nodes.Add, nodes.Sub, nodes.Neg),
    *(nodes.Concat, nodes.Dict, nodes.List, nodes.Tuple, nodes.Pair, nodes.Slice, nodes.If, nodes.Keyword, nodes.Div),
)
_JINJA_FILTERS = _FUNCTIONS | {
    *("default", "d", "int", "float", "string", "length", "count", "upper", "lower", "trim", "capitalize"),
    *("first", "last", "escape", "e", "items", "to_complex", "json_escape", "decrypt_kv"),
}
_JINJA_TESTS = frozenset(
    {
        *("defined", "undefined", "none", "string", "number", "mapping", "sequence", "iterable", "boolean", "true"),
        *("false", "integer", "float", "in", "eq", "equalto", "ne", "lt", "le", "gt", "ge", "==", "!="),
    }
)
_METHODS = frozenset(
    {"get", "keys", "values", "items", "upper", "lower", "strip", "startswith", "endswith", "splitlines"}
)


def yaql_is_cheap(expression: Any) -> bool:
    """Judge a parsed YAQL expression."""
    return all(
        node.name in _YAQL if isinstance(node, yaql_nodes.Function) else isinstance(node, _YAQL_LEAVES)
        for node in _parts(expression)
    )


_YAQL_LEAVES = (yaql_nodes.Constant, yaql_nodes.Wrap, yaql_nodes.MappingRuleExpression)


def _parts(node: Any) -> Iterator[Any]:
    yield node
    if isinstance(node, yaql_nodes.Function):
        members = node.args
    elif isinstance(node, yaql_nodes.MappingRuleExpression):
        members = (node.source, node.destination)
    else:
        members = (node.expr,) if isinstance(node, yaql_nodes.Wrap) else ()
    for member in members:
        yield from _parts(member)


def jinja_is_cheap(template: nodes.Template) -> bool:
    """Judge a parsed Jinja template."""
    return all(_cheap_node(node) for node in template.find_all(nodes.Node))


def _cheap_node(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Filter):
        return node.name in _JINJA_FILTERS
    if isinstance(node, nodes.Test):
        return node.name in _JINJA_TESTS
    if isinstance(node, nodes.Call):
        called = node.node
        if isinstance(called, nodes.Getattr):
            return called.attr in _METHODS
        return isinstance(called, nodes.Name) and called.name in _FUNCTIONS
    return isinstance(node, _JINJA_NODES)
