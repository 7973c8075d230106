# Warnings, sanitizers and profiling aids for one of our targets; generated and third-party code
# goes without the warnings. Asserts stay on in every build, so NDEBUG is never defined.
string(REPLACE "-DNDEBUG" "" CMAKE_CXX_FLAGS_RELEASE "${CMAKE_CXX_FLAGS_RELEASE}")
string(REPLACE "-DNDEBUG" "" CMAKE_CXX_FLAGS_RELWITHDEBINFO "${CMAKE_CXX_FLAGS_RELWITHDEBINFO}")

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

# The server of a release is optimised as a whole: the libraries it is made of hold both, code for
# every other program (tests link without the second pass) and what imsd's link step compiles again.
set(IMS_WHOLE_PROGRAM OFF)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo" AND NOT IMS_SANITIZE)
  set(IMS_WHOLE_PROGRAM ON)
endif()

# For a library on a message's way. In a sanitizer build it alone is optimised: most of that build's
# time would go into optimising instrumented tests and tools, where nothing is gained by it.
function(ims_hot_library target)
  set_target_properties(${target} PROPERTIES IMS_HOT ON)
  if(IMS_WHOLE_PROGRAM)
    target_compile_options(${target} PRIVATE -flto=auto -ffat-lto-objects)
  endif()
endfunction()

# For the program that is optimised as a whole; before ims_target_defaults().
function(ims_whole_program target)
  set_target_properties(${target} PROPERTIES IMS_WHOLE ON)
  if(IMS_WHOLE_PROGRAM)
    target_compile_options(${target} PRIVATE -flto=auto -ffat-lto-objects)
    target_link_options(${target} PRIVATE -flto=auto)
  endif()
endfunction()

function(ims_target_defaults target)
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR})  # "gateway/io.h", from the root
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
  # Frame pointers and a build id: perf and bpftrace attribute every microsecond to a function.
  target_compile_options(${target} PUBLIC -fno-omit-frame-pointer)
  get_target_property(ims_is_whole ${target} IMS_WHOLE)
  if(IMS_WHOLE_PROGRAM AND NOT ims_is_whole)
    target_link_options(${target} PRIVATE -fno-lto)
  endif()
  if(IMS_SANITIZE)
    target_compile_options(${target} PUBLIC -fsanitize=${IMS_SANITIZE} -g1)
    get_target_property(ims_is_hot ${target} IMS_HOT)
    if(NOT ims_is_hot)
      target_compile_options(${target} PRIVATE -O0)
    endif()
    target_link_options(${target} PUBLIC -fsanitize=${IMS_SANITIZE})
  endif()
endfunction()
