// Lines from a terminal, edited with libedit.

#if LineEditing
    import ApusGGUF
    import ApusModel
    import CEdit

    /// Reads lines from a terminal, with editing and history.
    final class EditedInput: LineInput {
        let readsInterrupts = true
        private let editor: OpaquePointer
        private let lines: History
        private let drawsOnError: Bool
        private let knowsPastes: Bool
        private let state = EditorState()

        /// Starts the editor; nil where libedit cannot.
        ///
        /// - Parameter history: Where lines are kept, if anywhere.
        init?(history: HistoryFile?) {
            // Without a locale of UTF-8 libedit takes each byte for a character.
            setlocale(LC_CTYPE, "")
            if String(cString: nl_langinfo(Int32(CODESET))) != "UTF-8" { setlocale(LC_CTYPE, "C.UTF-8") }
            drawsOnError = !Console.outputIsTerminal
            guard let lines = History(history), let editor = apus_edit_open("apus", drawsOnError ? 1 : 0) else {
                return nil
            }
            self.lines = lines
            self.editor = editor
            let terminal = getenv("TERM").map { String(cString: $0) } ?? ""
            knowsPastes = !["", "dumb"].contains(terminal)
            apus_edit_set_data(editor, Unmanaged.passUnretained(state).toOpaque())
            apus_edit_set_prompt(editor) { editor in
                editor.flatMap { EditorState.of($0) }?.prompt
            }
            apus_edit_set_editor(editor, "emacs")
            apus_edit_set_history(editor, lines.pointer)
            // The window's size, and a terminal that is as before when a signal stops or ends the program.
            apus_edit_set_signals(editor, 1)
            apus_edit_set_reader(editor) { editor, character in
                guard let editor, let character else { return -1 }
                return EditedInput.read(editor, into: character)
            }
            addFunctions()
            // What people set in ~/.editrc comes before the keys that the program needs.
            el_source(editor, nil)
            bindKeys()
        }

        deinit { el_end(editor) }

        private func addFunctions() {
            apus_edit_add(editor, "apus-interrupt", "Give up the line") { editor, _ in
                if let editor {
                    EditorState.of(editor)?.interrupt(editor)
                    EditorState.of(editor)?.showsKey = true
                }
                return UInt8(CC_EOF)
            }
            apus_edit_add(editor, "apus-suspend", "Stop until the shell goes on with it") { _, _ in
                raise(SIGTSTP)
                return UInt8(CC_REFRESH)
            }
            apus_edit_add(editor, "apus-paste", "Insert what is pasted") { editor, _ in
                guard let editor else { return UInt8(CC_ERROR) }
                return UInt8(EditedInput.insertPaste(editor) ? CC_REFRESH : CC_ERROR)
            }
        }

        private func bindKeys() {
            // Ctrl-C is a key here and no signal: so it cannot come at the wrong time. Ctrl-Z is one with it.
            apus_edit_set_mode(editor, "-isig")
            for (key, command) in [
                ("^C", "apus-interrupt"), ("^Z", "apus-suspend"), ("\\e[200~", "apus-paste"),
                ("^R", "em-inc-search-prev"),
                ("^W", "ed-delete-prev-word"), ("\\e[1;5D", "ed-prev-word"), ("\\e[1;5C", "em-next-word"),
                ("\\e[3~", "ed-delete-next-char"), ("\\e[H", "ed-move-to-beg"), ("\\e[F", "ed-move-to-end"),
            ] {
                apus_edit_bind(editor, key, command)
            }
        }

        /// Reads a character.
        ///
        /// libedit's own function reads on after a signal, by then with the terminal as it is outside of editing. The
        /// signal may come before the wait, so the flag is looked at now and then.
        private static func read(_ editor: OpaquePointer, into character: UnsafeMutablePointer<wchar_t>) -> Int32 {
            var bytes: [UInt8] = []
            while true {
                if Interrupt.flag.isCancelled {
                    EditorState.of(editor)?.interrupt(editor)
                    return -1
                }
                var waiting = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
                let ready = poll(&waiting, 1, 200)
                if ready < 0, errno != EINTR { return -1 }
                if ready <= 0 { continue }
                var byte: UInt8 = 0
                let count = Platform.read(STDIN_FILENO, &byte, 1)
                if count == 0 { return 0 }
                if count < 0 {
                    if errno == EINTR { continue }
                    return -1
                }
                bytes.append(byte)
                // The first byte of a character tells how many it has.
                let wanted = bytes[0] < 0xC0 ? 1 : bytes[0] < 0xE0 ? 2 : bytes[0] < 0xF0 ? 3 : 4
                guard bytes.count >= wanted else { continue }
                character.pointee = wchar_t(
                    String(decoding: bytes, as: UTF8.self).unicodeScalars.first?.value ?? 0xFFFD)
                return 1
            }
        }

        /// Reads up to the end of a paste, and inserts it with its line breaks.
        private static func insertPaste(_ editor: OpaquePointer) -> Bool {
            let end = "\u{1B}[201~".unicodeScalars.map { wchar_t($0.value) }
            var text: [wchar_t] = []
            var next: wchar_t = 0
            while text.suffix(end.count) != end[...] {
                guard el_wgetc(editor, &next) == 1, text.count < InputFile.limit / 16 else { return false }
                text.append(next)
            }
            text.removeLast(end.count)
            // A line's end comes as a carriage return. One at the end would hide that the line can still be edited.
            text = text.map { $0 == 0x0D ? 0x0A : $0 }
            while text.last == 0x0A { text.removeLast() }
            if text.isEmpty { return true }
            text.append(0)
            return el_winsertstr(editor, text) == 0
        }

        func remember(_ message: String) { lines.enter(message) }

        func next(prompt: String) throws(ApusError) -> LineEvent {
            state.prompt = strdup(prompt)
            state.interruption = nil
            state.showsKey = false
            // A Ctrl-C too many was meant for the reply.
            Interrupt.flag.reset()
            setPastes(true)
            // Keys that are typed as soon as the prompt is there are keys already.
            apus_edit_prepare(editor)
            var count: Int32 = 0
            let line = el_gets(editor, &count)
            setPastes(false)
            if let interruption = state.interruption {
                // A signal's key was shown by the terminal.
                show(state.showsKey ? "^C\n" : "\n")
                return .interrupted(wasEmpty: interruption == .empty)
            }
            guard let line, count > 0 else {
                show("\n")
                return .end
            }
            var bytes = Array(UnsafeRawBufferPointer(start: line, count: strlen(line)))
            while bytes.last == 0x0A { bytes.removeLast() }
            return .line(String(decoding: bytes, as: UTF8.self))
        }

        /// Asks the terminal to mark what is pasted, so that it is not taken for lines that were typed.
        private func setPastes(_ areMarked: Bool) {
            if knowsPastes { show("\u{1B}[?2004\(areMarked ? "h" : "l")") }
        }

        private func show(_ text: String) {
            _ = writeAll(Array(text.utf8), to: drawsOnError ? STDERR_FILENO : STDOUT_FILENO)
        }
    }

    /// What libedit's callbacks need.
    private final class EditorState {
        enum Interruption {
            case empty
            case typed
        }

        /// Why a line was given up, if it was.
        var interruption: Interruption?
        /// Whether Ctrl-C came as a key, which nobody has shown yet.
        var showsKey = false
        /// The prompt, as a C string that this owns.
        var prompt: UnsafeMutablePointer<CChar>? {
            didSet { free(oldValue) }
        }

        deinit { free(prompt) }

        /// Notes that the line is given up.
        func interrupt(_ editor: OpaquePointer) {
            guard let line = el_line(editor) else { return interruption = .empty }
            interruption = line.pointee.lastchar == line.pointee.buffer ? .empty : .typed
        }

        static func of(_ editor: OpaquePointer) -> EditorState? {
            apus_edit_data(editor).map { Unmanaged<EditorState>.fromOpaque($0).takeUnretainedValue() }
        }
    }

    /// The lines of earlier conversations.
    private final class History {
        let pointer: OpaquePointer
        private let file: HistoryFile?
        private var isKept: Bool

        init?(_ file: HistoryFile?) {
            guard let pointer = Self.make(HistoryFile.size) else { return nil }
            self.pointer = pointer
            self.file = file
            isKept = file != nil
            guard let file, file.exists else { return }
            if apus_history_load(pointer, file.path) < 0 {
                isKept = false
                Console.warn("\(ApusError.printable(file.path)): is no history of lines, and is left alone")
            }
        }

        deinit { history_end(pointer) }

        private static func make(_ size: Int32) -> OpaquePointer? {
            guard let pointer = history_init() else { return nil }
            apus_history_set_size(pointer, size)
            apus_history_set_unique(pointer, 1)
            return pointer
        }

        func enter(_ text: String) {
            if text.utf8.contains(0) { return }
            apus_history_enter(pointer, text)
            guard isKept, let file else { return }
            do throws(ApusError) {
                try file.replace { path in
                    // Others may have written meanwhile: this line joins what is there now.
                    guard let lines = Self.make(HistoryFile.size) else { return false }
                    defer { history_end(lines) }
                    if file.exists { apus_history_load(lines, file.path) }
                    apus_history_enter(lines, text)
                    return apus_history_save(lines, path) >= 0
                }
            } catch {
                isKept = false
                Console.warn("the history is not kept: \(error.message)")
            }
        }
    }
#endif
