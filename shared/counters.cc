// The heap-backed block: what tests and the simulation count in.
#include "shared/counters.h"

namespace ims {

CounterBlock::CounterBlock()
    : owned_(std::make_unique<std::uint64_t[]>(kBlockCells)), cells_(owned_.get()) {}

}  // namespace ims
