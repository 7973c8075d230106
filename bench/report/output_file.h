// Where results go: a file that is there whole or not at all, and standard output.
//
// A regular file is written under another name beside it and renamed, so that a result of before
// stays until there is a new one; what is no regular file (a terminal, /dev/full) is written to.
// Errors   std::runtime_error with the path and the system's reason.
#pragma once

#include <string>

namespace ims::bench {

// Whether it could be written, before there is anything to write; nothing of it is left behind.
void try_output(const std::string& path);
void try_standard_output();

void write_output(const std::string& path, const std::string& text);

// All of it, to the last byte: a full disk or a closed descriptor shows here.
void write_standard_output(const std::string& text);

// Descriptors 0 to 2 that are closed are opened so that using them fails, before another file gets
// their number.
void keep_standard_descriptors();

}  // namespace ims::bench
