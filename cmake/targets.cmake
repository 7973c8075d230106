# Warnings, sanitizers and profiling aids for one of our targets; generated and third-party code
# goes without the warnings. Asserts stay on in every build, so NDEBUG is never defined.
string(REPLACE "-DNDEBUG" "" CMAKE_CXX_FLAGS_RELEASE "${CMAKE_CXX_FLAGS_RELEASE}")
string(REPLACE "-DNDEBUG" "" CMAKE_CXX_FLAGS_RELWITHDEBINFO "${CMAKE_CXX_FLAGS_RELWITHDEBINFO}")

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

function(ims_target_defaults target)
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR})  # "gateway/io.h", from the root
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
  # Frame pointers and a build id: perf and bpftrace attribute every microsecond to a function.
  target_compile_options(${target} PUBLIC -fno-omit-frame-pointer)
  if(IMS_SANITIZE)
    target_compile_options(${target} PUBLIC -fsanitize=${IMS_SANITIZE} -g1)
    target_link_options(${target} PUBLIC -fsanitize=${IMS_SANITIZE})
  endif()
endfunction()
