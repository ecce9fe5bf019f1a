# Writes a text file as a C string: cmake -D INPUT=… -D OUTPUT=… -D NAME=… -P embed.cmake
file(READ ${INPUT} text HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${text}")
file(WRITE ${OUTPUT} "extern const char ${NAME}[];\nconst char ${NAME}[] = {${bytes}0};\n")
