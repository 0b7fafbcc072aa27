# Cross-compiles for 64-bit Arm with clang, against the sysroot of Debian's gcc-aarch64-linux-gnu and
# libc6-dev-arm64-cross, and runs the tests under qemu-user where it is installed.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(triple aarch64-linux-gnu)
set(sysroot /usr/${triple})

if(NOT CMAKE_C_COMPILER)
    find_program(CMAKE_C_COMPILER NAMES clang REQUIRED)
endif()
set(CMAKE_C_COMPILER_TARGET ${triple})
if(NOT EXISTS ${sysroot}/include/stdio.h)
    message(FATAL_ERROR "No C library for ${triple} in ${sysroot}: install gcc-aarch64-linux-gnu libc6-dev-arm64-cross")
endif()
# Found by the triple beside the compiler's own folders; not passed as --sysroot, because the linker scripts in it
# name full paths.
set(CMAKE_FIND_ROOT_PATH ${sysroot})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
if(NOT DEFINED CMAKE_FIND_ROOT_PATH_MODE_PACKAGE)
    set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
endif()

find_program(APUS_QEMU_AARCH64 NAMES qemu-aarch64 qemu-aarch64-static)
mark_as_advanced(APUS_QEMU_AARCH64)
if(APUS_QEMU_AARCH64)
    set(CMAKE_CROSSCOMPILING_EMULATOR ${APUS_QEMU_AARCH64} -L ${sysroot})
endif()
