// Frames to test the codec with: valid ones drawn from a seed, and mutations of them that keep most
// of the structure, so that the errors lie deep inside.
#pragma once

#include <string>

#include "shared/bytes.h"
#include "shared/codes.h"
#include "shared/prng.h"

namespace ims {

// One Command a client may send, by libprotobuf; fields and values by chance, at times odd ones.
std::string sample_frame(Edition edition, Prng& prng);

// One to four small damages: a flipped bit, bytes taken out, put in, doubled, cut, a strange tag.
std::string mutate(std::string bytes, Prng& prng);

}  // namespace ims
