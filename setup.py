"""Packaging of deca_nb: everything is read from settings.ini."""

from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
STATUSES = ["Planning", "Pre-Alpha", "Alpha", "Beta", "Production/Stable", "Mature", "Inactive"]
LICENSES = {"apache2": ("Apache-2.0", "Apache Software License")}
EXTRAS = ["dev", "docs", "book", "ray", "als", "excel"]
PYTHONS = ["3.11", "3.12", "3.13"]

parser = ConfigParser(delimiters=["="])
parser.read(HERE / "settings.ini", encoding="utf-8")
cfg = parser["DEFAULT"]


def words(key: str) -> list[str]:
    """The lines of a multi-line setting, blank ones left out."""
    return cfg[key].split()


status = int(cfg["status"])
license_id, license_name = LICENSES[cfg["license"]]

setup(
    name=cfg["repo"],
    version=cfg["version"],
    description=cfg["description"],
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    keywords=cfg["keywords"],
    author=cfg["author"],
    url=cfg["git_url"],
    license=license_id,
    classifiers=[
        f"Development Status :: {status} - {STATUSES[status - 1]}",
        f"Intended Audience :: {cfg['audience']}",
        f"License :: OSI Approved :: {license_name}",
        f"Natural Language :: {cfg['language']}",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        *(f"Programming Language :: Python :: {version}" for version in PYTHONS),
    ],
    packages=find_packages(include=[cfg["lib_path"]]),
    package_data={cfg["lib_path"]: ["*.mplstyle", "*.csv", "javascript/*", "py.typed", "*.pyi"]},
    python_requires=f">={cfg['min_python']}",
    install_requires=words("requirements"),
    extras_require={extra: words(f"{extra}_requirements") for extra in EXTRAS},
    entry_points={
        "console_scripts": words("console_scripts"),
        "nbdev": [f"{cfg['lib_path']}={cfg['lib_path']}._modidx:d"],
    },
    zip_safe=False,
)
