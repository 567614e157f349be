"""Operators of the language, and the cells that they are."""

from pyverilog.vparser import ast

BINARY = {
    ast.Plus: "add", ast.Minus: "sub", ast.Times: "mul", ast.Divide: "div", ast.Mod: "mod",
    ast.And: "and", ast.Or: "or", ast.Xor: "xor", ast.Xnor: "xnor",
}  # fmt: skip
SHIFTS = {ast.Sll: "shl", ast.Srl: "shr", ast.Sla: "sshl", ast.Sra: "sshr", ast.Power: "pow"}
COMPARISONS = {
    ast.LessThan: "lt", ast.LessEq: "le", ast.GreaterThan: "gt", ast.GreaterEq: "ge",
    ast.Eq: "eq", ast.NotEq: "ne", ast.Eql: "eqx", ast.NotEql: "nex",
}  # fmt: skip
LOGICAL = {ast.Land: "logic_and", ast.Lor: "logic_or"}
# ~& and ~| are a reduction followed by an inversion.
REDUCTIONS = {
    ast.Uand: "reduce_and", ast.Uor: "reduce_or", ast.Uxor: "reduce_xor", ast.Uxnor: "reduce_xnor",
    ast.Ulnot: "logic_not", ast.Unand: "reduce_and", ast.Unor: "reduce_or",
}  # fmt: skip
UNARY = {ast.Uminus: "neg", ast.Unot: "not", ast.Uplus: "pos"}
