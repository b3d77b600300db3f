"""What the members of the package say about their parameters."""

import inspect
from typing import Annotated, get_args, get_origin, get_type_hints

from fastcore.docments import docments

SAYS_NOTHING = (TypeError, ValueError, OSError, SyntaxError)


def documents(obj, owner: type | None = None) -> dict[str, str]:
    """The document of each parameter, and of what is returned, as far as there is one.

    A method says no word twice: what it leaves out is what the same method of a base class says. A field
    that a command's help explains is explained alike.
    """
    helps = field_helps(obj) if inspect.isclass(obj) else {}
    bases = owner.__mro__[1:] if owner else ()
    alike = [vars(base)[obj.__name__] for base in bases if obj.__name__ in vars(base)]
    notes = [own_documents(getattr(same, "__func__", same)) for same in (obj, *alike)]
    found = {name: note for said in reversed((helps, *notes)) for name, note in said.items() if note}
    taken = {*inspect.signature(obj).parameters, "return"} if alike else set(found)
    return {name: note for name, note in found.items() if name in taken}


def own_documents(obj) -> dict[str, str | None]:
    """The comments beside the parameters; none where there is no source to read."""
    try:
        return docments(obj, args_kwargs=True)
    except SAYS_NOTHING:
        return {}


def field_helps(cls: type) -> dict[str, str]:
    """The help text of each field that has one."""
    try:
        hints = get_type_hints(cls, include_extras=True)
    except (NameError, TypeError):
        return {}
    said = {name: get_args(hint)[1:] for name, hint in hints.items() if get_origin(hint) is Annotated}
    return {name: note.help for name, notes in said.items() for note in notes if getattr(note, "help", None)}
