// What the allocator is told, and says: is it jemalloc, and how much a thread has asked of it.
//
// Threads  thread_allocated_bytes() is called by the thread it is about; the cell it returns lives
//          as long as that thread, and any thread may read it meanwhile (read_allocated_bytes).
#pragma once

#include <cstdint>

namespace ims {

// True: malloc() ends up in jemalloc, seen by allocating through it.
bool jemalloc_is_live();

// Memory that was freed goes back to the system within some 10 s, by threads of jemalloc's own.
// Else a thread would give it back while it allocates: what a burst needed would stay with a server
// that is idle after it. Nothing happens where the allocator is another one.
void return_memory_in_background();

// Bytes that the calling thread ever allocated, counted by the allocator itself: no call of ours
// per allocation. Null where the allocator does not count.
const std::uint64_t* thread_allocated_bytes();

// A moment old: the owner writes without order, but whole values.
std::uint64_t read_allocated_bytes(const std::uint64_t* cell);

}  // namespace ims
