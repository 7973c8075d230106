// A configuration value between its text and its number: sizes, durations, choices, addresses; and
// the nearest known word to a misspelt one. Start-up only.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/config.h"
#include "shared/config_keys.h"

namespace ims {

// A number's text: "64KiB" is 65536, "500ms" is 500, "5" as a duration is 5000. Nullopt: not of
// that kind. What does not fit 64 bits comes as the largest number, which no range allows.
std::optional<std::uint64_t> parse_number(KeyKind kind, std::string_view text);

// The shortest text that parse_number() reads back: "64KiB", "10m", "100ms".
std::string format_number(KeyKind kind, std::uint64_t value);

// "64KiB to 1MiB", with what 0 means where it may be 0; choices: "auto, uring or epoll".
std::string format_range(const ConfigKey& key);

// A key's value in a config, as text that set_from_text() takes.
std::string value_text(const ConfigKey& key, const Config& config);

// Sets the key from text. `place` opens the sentence of the ConfigError: "imsd.toml:3: pin".
void set_from_text(const ConfigKey& key, std::string_view text, Config& config,
                   std::string_view place);

struct ListenAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

// "127.0.0.1:7000", "[::1]:7000". Numeric alone: a name may resolve to another host tomorrow.
std::optional<ListenAddress> parse_listen_address(std::string_view text);

// The reverse, for `listening on ADDR:PORT` with the port that the kernel chose.
std::string format_listen_address(const ListenAddress& address);

// The word with the fewest edits (insert, delete, replace, swap of neighbours) from `word`; case
// does not count.
std::string_view nearest_word(std::string_view word, const std::vector<std::string>& words);

// Text in double quotes for an error: control characters as \xNN, at most 80 bytes of it.
std::string quote(std::string_view text);

}  // namespace ims
