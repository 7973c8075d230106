// Scrolling back in a chat: older rows of a group's timeline, or of the inbox those with one user,
// a page of SYNC after the other until enough were found.
//
//   ask() ─▶ SYNC(before_seq) ─▶ on_page(): not enough yet ─▶ ask_on()
//                                          enough, or the beginning ─▶ text
//
// Own messages to a user are rows of the inbox only if another device was to be told of them.
// Threads  One. One request at a time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "shared/client/client.h"

namespace ims {

class ChatHistory {
 public:
  explicit ChatHistory(std::string user);

  // `chat`: "@user" or "#group". The request's id.
  std::uint64_t ask(const std::string& chat, std::size_t rows, client::Client& client);
  std::uint64_t ask_on(client::Client& client);
  // True: done, and `out` has the rows. False: ask_on().
  bool on_page(const client::SyncResult& page, std::string& out);
  // The next ask() begins at the newest row.
  void clear() noexcept { oldest_.clear(); }

 private:
  static constexpr int kPagesMax = 50;

  template <typename Row>
  bool is_of_chat(const Row& row) const;
  void print(bool at_beginning, std::string& out);

  const std::string user_;
  std::map<std::string, std::uint64_t> oldest_;  // by chat: what was shown last begins here
  std::string chat_;
  std::size_t wanted_ = 0;
  int pages_ = 0;
  std::uint64_t before_ = 0;
  std::vector<std::string> found_;  // newest first
};

}  // namespace ims
