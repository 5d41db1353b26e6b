// The editor of a cell: CodeMirror with Python. Bundled by esbuild into one file; nothing else of the book is.
import { closeBrackets, closeBracketsKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { pythonLanguage } from "@codemirror/lang-python";
import { bracketMatching, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { EditorState, Prec } from "@codemirror/state";
import { drawSelection, EditorView, keymap } from "@codemirror/view";
import { tagHighlighter, tags as t } from "@lezer/highlight";

// The classes are those of Pygments, so that an edited cell has the colours of every other one.
const colours = tagHighlighter([
  { tag: [t.keyword, t.bool, t.null, t.self], class: "k" },
  { tag: [t.operator, t.derefOperator], class: "o" },
  { tag: t.comment, class: "c1" },
  { tag: t.string, class: "s2" },
  { tag: t.number, class: "mi" },
  { tag: [t.function(t.definition(t.variableName)), t.definition(t.className)], class: "nf" },
  { tag: t.standard(t.variableName), class: "nb" },
]);

/** What a key does, and nothing else. */
const binding = (key, act) => ({
  key,
  run() {
    act();
    return true;
  },
});

/**
 * An editor in `parent` that holds `text`. Shift-Enter runs it, Tab indents, Esc leaves.
 * @param {{ parent: Element, text: string, label: string, changed: (text: string) => void, run: () => void,
 *   leave: () => void }} options
 */
export function makeEditor({ parent, text, label, changed, run, leave }) {
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: text,
      extensions: [
        Prec.highest(keymap.of([binding("Shift-Enter", run), binding("Escape", leave)])),
        history(),
        drawSelection(),
        indentOnInput(),
        indentUnit.of("    "),
        EditorState.tabSize.of(4),
        bracketMatching(),
        closeBrackets(),
        pythonLanguage,
        syntaxHighlighting(colours),
        EditorView.lineWrapping,
        keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, indentWithTab]),
        EditorView.contentAttributes.of({ "aria-label": label, autocapitalize: "off", autocorrect: "off" }),
        EditorView.updateListener.of((update) => update.docChanged && changed(update.state.doc.toString())),
      ],
    }),
  });
  return {
    get text() {
      return view.state.doc.toString();
    },
    set text(words) {
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: words } });
    },
    focus: () => view.focus(),
  };
}
