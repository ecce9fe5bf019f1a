# Compiler policy: C17 with GNU attributes, no warnings, hardening in every build, sanitizers by preset.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_compile_definitions(_GNU_SOURCE)
add_compile_options(
	-Wall -Wextra -Wshadow -Wconversion -Werror
	-Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wformat=2 -Wvla -Wimplicit-fallthrough=5
	-Wno-format-nonliteral -Wno-format-zero-length
	-fstack-protector-strong -fno-omit-frame-pointer)
add_link_options(-Wl,-z,relro,-z,now -Wl,--as-needed)

if(HELVETIA_SANITIZE)
	add_compile_options(-fsanitize=${HELVETIA_SANITIZE} -fno-sanitize-recover=all)
	add_link_options(-fsanitize=${HELVETIA_SANITIZE})
endif()
