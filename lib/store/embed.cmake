# Writes the migrations as C: cmake -DOUTPUT=FILE "-DINPUTS=A.sql;B.sql" -P embed.cmake
#
# File names are NNNN_words.sql. The SHA-256 is taken here, at build time, so that nobody needs a hash function at run
# time.
set(bodies "")
set(entries "")
set(count 0)
foreach(input IN LISTS INPUTS)
	get_filename_component(name ${input} NAME)
	if(NOT name MATCHES "^([0-9][0-9][0-9][0-9])_[a-z0-9_]+\\.sql$")
		message(FATAL_ERROR "${input}: a migration is named NNNN_words.sql")
	endif()
	string(REGEX REPLACE "^0+" "" version ${CMAKE_MATCH_1})
	file(SHA256 ${input} hash)
	file(READ ${input} bytes HEX)
	string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
	string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
	string(APPEND bodies "static const char text_${version}[] = {\n${bytes}0x00};\n")
	string(APPEND entries "\t{${version}, \"${name}\", \"${hash}\", text_${version}},\n")
	math(EXPR count "${count} + 1")
endforeach()
file(WRITE ${OUTPUT} "/* Written by embed.cmake. */\n#include \"store_migrate.h\"\n\n${bodies}
const struct store_migration store_migrations[] = {\n${entries}};
const size_t store_migration_count = ${count};\n")
