# A project of before pyproject.toml: only running this file tells its name, version and needs.
import io
import os

from setuptools import setup

here = os.path.dirname(os.path.abspath(__file__))
with io.open(os.path.join(here, "oldstyle", "VERSION"), encoding="utf-8") as file:
    version = file.read().strip()

setup(
    name="oldstyle",
    version=version,
    description="Says what it is asked to say",
    author="Acme Operations",
    author_email="operations@acme.example",
    license="MIT",
    packages=["oldstyle"],
    package_data={"oldstyle": ["VERSION"]},
    install_requires=["six==1.16.0"],
    entry_points={"console_scripts": ["oldstyle = oldstyle.main:main"]},
)
