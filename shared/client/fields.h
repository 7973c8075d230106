// Reading and writing fields of text with protozero, for the client's encoders and decoders.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

namespace ims::client {

// An empty text is left out, as proto3 has it.
inline void add_text(protozero::pbf_writer& out, std::uint32_t field, std::string_view text) {
  if (!text.empty()) out.add_bytes(field, text.data(), text.size());
}

inline std::string text_of(std::string_view view) { return std::string(view); }
inline std::string text_of(const protozero::data_view& view) { return {view.data(), view.size()}; }

}  // namespace ims::client
