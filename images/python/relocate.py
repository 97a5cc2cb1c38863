
# Appended by omnibuild: this Python lies where it was unpacked, not where it was built.
def _relocated():
    import re
    import sys

    prefix = re.compile(r"(?:(?<![\w./])|(?<=-[IL]))/install(?![\w.-])")

    def here(value):
        if isinstance(value, str) and "/install" in value:
            return prefix.sub(lambda _: sys.base_prefix, value)
        return value

    return {name: here(value) for name, value in build_time_vars.items()}


build_time_vars = _relocated()
