# helvetia_library(NAME folder-target SOURCES … LINKS …): one static library from one folder.
#
# The only include path that a target exports is its own folder under lib/include-view/NAME, so that
# `#include "store/store.h"` compiles for those who link `store` and for nobody else. That is how "who may include
# whom" is enforced: there is no global include path.
function(helvetia_library name)
	cmake_parse_arguments(ARGUMENT "" "FOLDER" "SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
	if(NOT ARGUMENT_FOLDER)
		set(ARGUMENT_FOLDER ${name})
	endif()
	set(view ${CMAKE_BINARY_DIR}/include-view/${name})
	get_filename_component(parent ${view}/${ARGUMENT_FOLDER} DIRECTORY)
	file(MAKE_DIRECTORY ${parent})
	file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${view}/${ARGUMENT_FOLDER} SYMBOLIC)
	add_library(${name} STATIC ${ARGUMENT_SOURCES})
	target_include_directories(${name} PUBLIC ${view})
	target_link_libraries(${name} PUBLIC ${ARGUMENT_LINKS} PRIVATE ${ARGUMENT_PRIVATE_LINKS})
endfunction()

# helvetia_program(NAME SOURCES … LINKS …): one executable, installed under its own name.
function(helvetia_program name)
	cmake_parse_arguments(ARGUMENT "" "" "SOURCES;LINKS" ${ARGN})
	add_executable(${name} ${ARGUMENT_SOURCES})
	target_link_libraries(${name} PRIVATE ${ARGUMENT_LINKS})
	set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endfunction()

# helvetia_unit_test(NAME SOURCES … LINKS …): one cmocka program, registered with the label "unit".
function(helvetia_unit_test name)
	cmake_parse_arguments(ARGUMENT "" "" "SOURCES;LINKS" ${ARGN})
	add_executable(${name} ${ARGUMENT_SOURCES})
	target_link_libraries(${name} PRIVATE ${ARGUMENT_LINKS} package::cmocka)
	add_test(NAME ${name} COMMAND ${name})
	set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 120)
endfunction()
