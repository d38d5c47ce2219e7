# Installs build tree TREE somewhere and moves it to PREFIX.
file(REMOVE_RECURSE ${PREFIX} ${PREFIX}_first)
execute_process(COMMAND ${CMAKE_COMMAND} --install ${TREE} --config ${CONFIG} --prefix ${PREFIX}_first
                COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET)
file(RENAME ${PREFIX}_first ${PREFIX})
