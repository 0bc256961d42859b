/** Where Streamlit calls: at every run of the page with its data, and once the component is gone. */

import { Viewer } from "./viewer.js";

const VIEWERS = new WeakMap(); // one viewer a place on the page, for as long as the place is there

export default function strip(component) {
  const { parentElement, data } = component;
  const root = parentElement.querySelector(".strip");
  let viewer = VIEWERS.get(parentElement);
  if (viewer && !viewer.abort.signal.aborted && viewer.root === root && viewer.record.id === data.record.id) viewer.update(component);
  else {
    viewer?.destroy();
    viewer = new Viewer(root, component);
    VIEWERS.set(parentElement, viewer);
  }
  // A run of the page that was overtaken by the next is cleaned up too, though the place is still there: the viewer then stays.
  return () => setTimeout(() => viewer.root.isConnected || viewer.destroy());
}
