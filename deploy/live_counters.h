// A server's counters file as imsctl's commands read it: opened, with a note where nobody writes it
// any more, and the few words that all their tables share.
//
// Errors  OperatorError where there is no file, or none of this version.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "deploy/data_dir.h"
#include "shared/counter_file.h"

namespace ims {

// `must_run`: a server that ended is an error, else a note on standard error.
CounterFile open_live_counters(const DataDir& data, bool must_run);

bool is_running(const CounterFile& file);

// Empty, or one of the file's kinds of followed messages; else an OperatorError of wrong usage.
void check_kind(const CounterFile& file, const std::string& kind);

// "812 ns", "4.1 us", "15 ms", "2.3 s": three digits at most, and a unit.
std::string duration_text(std::uint64_t ns);
// "812", "4.1k", "15k", "2.3M".
std::string amount_text(double amount);

// Cells of one line, the first left aligned, the others to the right; each column as wide as its
// widest cell.
using TableRow = std::vector<std::string>;
std::string table_text(const std::vector<TableRow>& rows);

void print_text(std::string_view text);  // to standard output, flushed

}  // namespace ims
