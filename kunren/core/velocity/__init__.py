"""Apache Velocity's template language, as AWS's mapping templates use it. Pure; bounded in time and size.

`template(text)` parses (and remembers), `render(template, names)` evaluates. Values are Python's dict, list, str, int,
float, bool and None, and objects that derive from `Methods`; Java's methods of strings, lists, maps and numbers work
on them, and nothing else does: no attribute of a Python object can be reached. Source: Velocity's user guide 1.7.
"""

from kunren.core.velocity.evaluate import BadEvaluation, render
from kunren.core.velocity.parse import BadTemplate, template
from kunren.core.velocity.values import Methods, bounded, text_of

__all__ = ["BadEvaluation", "BadTemplate", "Methods", "bounded", "render", "template", "text_of"]
