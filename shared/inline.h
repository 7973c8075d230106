// IMS_INLINE: for what runs for every message and is smaller than its call, by profile
// (bench/gate). Elsewhere the compiler decides.
#pragma once

#define IMS_INLINE [[gnu::always_inline]] inline
