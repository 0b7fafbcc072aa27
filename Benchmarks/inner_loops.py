"""Counts instructions per multiply-add in the products' inner loops, from the disassembly, and finds what they spill.

Compiles the kernels' products for x86-64 and aarch64 with clang (the Arm side needs Debian's gcc-aarch64-linux-gnu and
libc6-dev-arm64-cross) and prints a Markdown table: of each function the innermost loop with the most multiply-adds.
Needs no Arm machine and does not depend on what else runs.
"""

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KERNELS = ROOT / "CKernels"
# Targets, and what the disassembler has to be told of them.
TARGETS = {"x86_64-linux-gnu": [], "aarch64-linux-gnu": ["--mattr=+dotprod,+i8mm"]}
FILES = ("unpacked", "four", "q4_0", "q4_k", "q8_0", "f32", "bf16")
VARIANTS = ("avx2", "avx512", "avx512vnni", "neon", "neon_dotprod", "neon_i8mm")
# Multiply-adds of an instruction, by its name and its widest operand. AVX2 and AVX-512 without VNNI multiply bytes by
# vpmaddubsw (or words by vpmaddwd), which is what is counted there; NEON without dot products by smull and smlal.
LANES = {"zmm": 64, "ymm": 32, "xmm": 16}
MULTIPLIES = [
    (re.compile(r"vpdpbusd"), lambda line: register_bytes(line)),
    (re.compile(r"vpmaddubsw"), lambda line: register_bytes(line)),
    (re.compile(r"vdpbf16ps"), lambda line: register_bytes(line) // 2),
    (re.compile(r"vfn?madd\d+ps"), lambda line: register_bytes(line) // 4),
    (re.compile(r"[su]dot$"), lambda line: 16),
    (re.compile(r"[su]mmla$"), lambda line: 32),
    (re.compile(r"smul[l]2?$|smlal2?$"), lambda line: 8),
    (re.compile(r"fmla$"), lambda line: 4),
]
INTEGER = re.compile(r"vpdpbusd|vpmaddubsw|[su]dot$|[su]mmla$|smull|smlal")
SPILL = re.compile(r"\((?:%rsp|%rbp)\)|\[(?:sp|x29)\b")
VECTOR = re.compile(r"%[xyz]mm|\b[qv]\d+\b")


def register_bytes(line):
    """Bytes of the widest vector register that an instruction names."""
    return next((size for name, size in LANES.items() if name in line), 0)


def functions(objdump, features, object_file):
    """Name and instructions, as (address, mnemonic, operands), of each function of an object file."""
    text = subprocess.run(
        [objdump, "-d", "--no-show-raw-insn", *features, object_file], check=True, capture_output=True, text=True
    ).stdout
    for part in re.split(r"\n(?=[0-9a-f]+ <)", text):
        head = re.match(r"[0-9a-f]+ <(\w+)>:", part)
        if head:
            rows = re.findall(r"^\s*([0-9a-f]+):\s+(\S+)[ \t]*(.*)$", part, re.MULTILINE)
            yield head[1], [(int(address, 16), name, operands) for address, name, operands in rows]


def inner_loops(instructions):
    """The stretches between a backward branch and its target that hold no other such stretch."""
    place = {address: i for i, (address, _, _) in enumerate(instructions)}
    loops = []
    for i, (address, name, operands) in enumerate(instructions):
        target = re.search(r"(?:0x)?([0-9a-f]+) <", operands)
        if re.match(r"j|b\.|b$|cbn?z|tbn?z", name) and target:
            goal = int(target[1], 16)
            if goal in place and goal <= address:
                loops.append((place[goal], i + 1))
    return [instructions[a:b] for a, b in loops if not any((c, d) != (a, b) and a <= c and d <= b for c, d in loops)]


def work(loop):
    """Multiply-adds of a loop: of integers where it has such, or of floats."""
    is_integer = any(INTEGER.match(name) for _, name, _ in loop)
    total = 0
    for _, name, operands in loop:
        for pattern, count in MULTIPLIES:
            if pattern.match(name) and bool(INTEGER.match(name)) == is_integer:
                total += count(operands)
    return total


def spills(loop):
    """Instructions that move a vector register to or from the stack."""
    return sum(1 for _, _, operands in loop if SPILL.search(operands) and VECTOR.search(operands))


def rows(folder, clang, objdump):
    """Function, instruction set, instructions and multiply-adds of its inner loop, and what the loop spills."""
    for target, features in TARGETS.items():
        for name in FILES:
            out = Path(folder) / f"{name}-{target}.o"
            command = [clang, f"--target={target}", "-std=gnu17", "-O3", f"-I{KERNELS}", f"-I{KERNELS}/include"]
            subprocess.run([*command, "-c", KERNELS / "quants" / f"{name}.c", "-o", out], check=True)
            for function, instructions in functions(objdump, features, out):
                variant = next((v for v in sorted(VARIANTS, key=len, reverse=True) if function.endswith(v)), None)
                loops = [loop for loop in inner_loops(instructions) if work(loop) > 0]
                if variant and loops:
                    loop = max(loops, key=work)
                    kind = function.removesuffix(f"_{variant}")
                    yield f"{name} {kind}", variant, len(loop), work(loop), spills(loop)


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clang", default="clang")
    parser.add_argument("--objdump", default="llvm-objdump")
    options = parser.parse_args()
    print("| product | instruction set | instructions | multiply-adds | instructions per 64 | spills |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for product, variant, count, macs, spilled in rows(folder, options.clang, options.objdump):
            print(f"| {product} | {variant} | {count} | {macs} | {64 * count / macs:.2f} | {spilled} |")


if __name__ == "__main__":
    main()
