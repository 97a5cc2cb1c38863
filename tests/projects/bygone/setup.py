# A project that never left Python 2.
from setuptools import setup

setup(
    name="bygone",
    version="2.0.1",
    description="Still runs on Python 2.7",
    author="Acme Operations",
    author_email="operations@acme.example",
    license="MIT",
    python_requires=">=2.7, <3",
    packages=["bygone"],
    # The last that knew Python 2; markupsafe is compiled.
    install_requires=["six>=1.16", "requests<2.28", "markupsafe>=1.1,<2"],
    entry_points={"console_scripts": ["bygone = bygone.main:main"]},
)
