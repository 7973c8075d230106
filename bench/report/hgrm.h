// A histogram in HdrHistogram's text format of percentiles (.hgrm), which its plotter reads:
// https://hdrhistogram.github.io/HdrHistogram/plotFiles.html
//
//   Value     Percentile TotalCount 1/(1-Percentile)      values in microseconds
//
// Rows go from the median towards the largest value, five each time the rest is halved; the last
// row has no fourth column, as there.
#pragma once

#include <string>

#include "bench/report/histogram.h"

namespace ims::bench {

std::string hgrm_text(const FineHistogram& histogram);

}  // namespace ims::bench
