from setuptools import Extension, setup

setup(
    package_dir={"": "src"},
    packages=["mytool"],
    package_data={"mytool": ["data/*.json"]},
    data_files=[("share/mytool", ["conf/mytool.conf"])],
    ext_modules=[Extension("mytool._speedups", ["src/mytool/_speedups.c"])],
    zip_safe=False,
)
