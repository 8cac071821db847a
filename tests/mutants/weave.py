"""All mutants of a tree in one build: each behind a switch, `crate::mutant::on(number)`.

The mutants are those that cargo-mutants lists. A build for each of them would take days; woven into
the sources, all of them compile once, and a process is told by its environment which one is on.

    a < b      becomes   if on(7) { (a) == (b) } else if on(8) { (a) > (b) } else { a < b }
    fn f() {   becomes   fn f() { if on(9) { return 0; }

What cannot be woven (in constants, which are evaluated by the compiler) is returned, to be compiled alone;
what can't compile, too.
"""

import re
import tree_sitter
import tree_sitter_rust

LANGUAGE = tree_sitter.Language(tree_sitter_rust.language())
# Expressions in these are evaluated by the compiler.
CONSTANT = {"const_item", "static_item", "array_type", "const_block", "enum_variant", "const_parameter"}


class Mutant:
    """A mutant as cargo-mutants lists it."""

    def __init__(self, listed, number, name):
        self.number = number
        # Without line and column: the name of before stays the name after a change elsewhere.
        self.name = name
        self.file = listed["file"]
        self.genre = listed["genre"]
        self.replacement = listed["replacement"]
        self.span = listed["span"]
        self.function = listed.get("function") or {}
        self.where = listed["name"].split(": ", 1)[0]

    def bytes_of(self, lines):
        """Offsets of the span in a file whose lines are these bytes."""
        starts = [0]
        for line in lines:
            starts.append(starts[-1] + len(line))

        def at(place):
            line = lines[place["line"] - 1].decode()
            return starts[place["line"] - 1] + len(line[: place["column"] - 1].encode())

        return at(self.span["start"]), at(self.span["end"])

    def applied(self, source):
        """The text of its file with this mutant."""
        start, end = self.bytes_of(source.splitlines(keepends=True))
        if self.genre == "StructField" and source[end : end + 1] == b",":
            end += 1
        return source[:start] + self.replacement.encode() + source[end:]


def name_all(listed):
    """Mutants with names: file, change and function, and a number where a name occurs again."""
    seen, mutants = {}, []
    for number, mutant in enumerate(listed, 1):
        name = re.sub(r"^([^:]+):\d+:\d+: ", r"\1: ", mutant["name"])
        name = " ".join(name.split())
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            name += f" #{seen[name]}"
        mutants.append(Mutant(mutant, number, name))
    return mutants


class Weaver:
    """The mutants of one file, woven into its text."""

    def __init__(self, source, mutants, switch):
        self.source = source
        self.switch = switch
        self.tree = tree_sitter.Parser(LANGUAGE).parse(source)
        # Node id -> mutants of the node.
        self.at = {}
        self.touched = set()
        self.alone, self.unviable = [], []
        lines = source.splitlines(keepends=True)
        for mutant in mutants:
            start, end = mutant.bytes_of(lines)
            if mutant.genre == "BinaryOperator" and self.joins_lets(start, end):
                self.unviable.append((mutant, "a let behind ||"))
                continue
            node = self.place(mutant, start, end)
            if node is None or self.is_constant(node):
                self.alone.append(mutant)
                continue
            if mutant.genre == "MatchArm" and not self.is_exhaustive_without(node):
                self.unviable.append((mutant, "E0004"))
                continue
            self.at.setdefault(node.id, []).append(mutant)
            while node is not None:
                self.touched.add(node.id)
                node = node.parent

    def joins_lets(self, start, end):
        """Whether it is an operator between conditions of which one is a `let`, which && alone may join."""
        return self.tree.root_node.descendant_for_byte_range(start, end).parent.type == "let_chain"

    def place(self, mutant, start, end):
        """The node that the mutant changes."""
        node = self.tree.root_node.descendant_for_byte_range(start, end)
        if mutant.genre == "FnValue":
            node = self.tree.root_node.descendant_for_byte_range(start, start)
            while node is not None and not (
                node.type == "block" and node.parent.type == "function_item" and node.start_byte < start
            ):
                node = node.parent
            # A function whose return type is opaque has one type; `return` of another is an error.
            if node is not None and "impl " in mutant.function.get("return_type", ""):
                return None
            return node
        wanted = {
            "BinaryOperator": ("binary_expression", "compound_assignment_expr"),
            "UnaryOperator": ("unary_expression",),
            "MatchArm": ("match_arm",),
            "MatchArmGuard": ("match_pattern",),
            "StructField": ("field_initializer",),
        }[mutant.genre]
        while node is not None and node.type not in wanted:
            node = node.parent
        if node is None:
            return None
        if mutant.genre == "BinaryOperator":
            operator = node.child_by_field_name("operator")
            return node if operator and operator.start_byte == start else None
        if mutant.genre == "UnaryOperator":
            return node if node.start_byte == start else None
        if mutant.genre == "MatchArmGuard":
            return node if node.child_by_field_name("condition") else None
        if mutant.genre == "StructField":
            base = [c for c in node.parent.children if c.type == "base_field_initializer"]
            return node if base and node.start_byte == start else None
        return node

    @staticmethod
    def is_constant(node):
        while node is not None and node.type not in ("function_item", "closure_expression"):
            if node.type in CONSTANT:
                return True
            if node.type == "array_expression" and any(c.type == ";" for c in node.children):
                return True
            node = node.parent
        return False

    @staticmethod
    def is_exhaustive_without(arm):
        """Whether a match needs no arm of this kind: it has a guard, or a later arm takes all."""
        pattern = arm.child_by_field_name("pattern")
        if pattern.child_by_field_name("condition"):
            return True
        while arm := arm.next_named_sibling:
            pattern = arm.child_by_field_name("pattern")
            if pattern and not pattern.child_by_field_name("condition"):
                if re.fullmatch(rb"_|[a-z][a-z_0-9]*", pattern.text):
                    return True
        return False

    def raw(self, node):
        return self.source[node.start_byte : node.end_byte]

    def on(self, mutant):
        return f"{self.switch}({mutant.number})".encode()

    def branch(self, mutant, text):
        """Text with marks, by which an error of the compiler leads to the mutant."""
        number = mutant.number
        return f"/*<{number}*/".encode() + text + f"/*{number}>*/".encode()

    def around(self, mutants, text):
        numbers = ",".join(str(mutant.number) for mutant in mutants)
        return f"/*({numbers}*/".encode() + text + f"/*{numbers})*/".encode()

    def children(self, node):
        """The node's text, its children woven."""
        parts, at = [], node.start_byte
        for child in node.children:
            parts += [self.source[at : child.start_byte], self.text(child)]
            at = child.end_byte
        return b"".join(parts) + self.source[at : node.end_byte]

    def text(self, node):
        if node.id not in self.touched:
            return self.raw(node)
        mutants = self.at.get(node.id, [])
        if not mutants:
            return self.children(node)
        return getattr(self, "weave_" + node.type)(node, mutants)

    def choice(self, mutants, changed, original):
        parts = [b"("]
        for mutant in mutants:
            parts += [b"if ", self.on(mutant), b" { ", self.branch(mutant, changed(mutant)), b" } else "]
        return self.around(mutants, b"".join(parts) + b"{ " + original + b" })")

    def weave_binary_expression(self, node, mutants):
        left, right = (self.raw(node.child_by_field_name(side)) for side in ("left", "right"))
        return self.choice(
            mutants,
            lambda mutant: b"(" + left + b") " + mutant.replacement.encode() + b" (" + right + b")",
            self.children(node),
        )

    def weave_compound_assignment_expr(self, node, mutants):
        left, right = (self.raw(node.child_by_field_name(side)) for side in ("left", "right"))
        return self.choice(
            mutants,
            lambda mutant: left + b" " + mutant.replacement.encode() + b" " + right,
            self.children(node),
        )

    def weave_unary_expression(self, node, mutants):
        operand = self.raw(node.children[-1])
        return self.choice(mutants, lambda _: operand, self.children(node))

    def weave_block(self, node, mutants):
        """The body of a function."""
        rest = self.children(node)
        parts = [b"{ "]
        for mutant in mutants:
            value = self.branch(mutant, b"return " + mutant.replacement.encode() + b";")
            parts += [b"if ", self.on(mutant), b" { ", value, b" } "]
        return parts[0] + self.around(mutants, b"".join(parts[1:])) + rest[1:]

    def weave_match_arm(self, node, mutants):
        """An arm that is deleted has a guard that is false."""
        (mutant,) = mutants
        pattern = node.child_by_field_name("pattern")
        condition = pattern.child_by_field_name("condition")
        off = b"!" + self.on(mutant)
        before = self.source[node.start_byte : pattern.start_byte]
        after = b"".join(
            self.source[child.prev_sibling.end_byte : child.start_byte] + self.text(child)
            for child in node.children[node.children.index(pattern) + 1 :]
        )
        if condition is None:
            return before + self.raw(pattern) + b" if " + self.around(mutants, off) + b" " + after
        guard = self.text(pattern)
        # The guard begins where the source has it: before it nothing is woven.
        cut = condition.start_byte - pattern.start_byte
        guard = guard[:cut] + self.around(mutants, off + b" && (" + guard[cut:] + b")")
        return before + guard + b" " + after

    def weave_match_pattern(self, node, mutants):
        condition = node.child_by_field_name("condition")
        before = self.source[node.start_byte : condition.start_byte]
        return before + self.choice(mutants, lambda m: m.replacement.encode(), self.text(condition))

    def weave_field_initializer(self, node, mutants):
        """A field that is left out has the value of the base."""
        (mutant,) = mutants
        name, value = node.child_by_field_name("field"), node.child_by_field_name("value")
        base = next(c for c in node.parent.children if c.type == "base_field_initializer")
        struct = self.raw(node.parent.parent.child_by_field_name("name"))
        given = base.children[-1]
        changed = b"{ let base: " + struct + b" = " + self.raw(given) + b"; base." + self.raw(name) + b" }"
        return self.raw(name) + b": " + self.choice(mutants, lambda _: changed, self.text(value))

    def woven(self):
        return self.text(self.tree.root_node)


MARK = re.compile(rb"/\*([<(]?)([\d,]+)([>)]?)\*/")


def places(woven):
    """Of a woven text: (start, end, numbers, whether it is one changed branch)."""
    found, open_marks = [], []
    for mark in MARK.finditer(woven):
        begins, numbers, _ = mark.groups()
        if begins:
            open_marks.append((mark.start(), begins == b"<"))
        else:
            start, single = open_marks.pop()
            found.append((start, mark.end(), [int(n) for n in numbers.split(b",")], single))
    return found
