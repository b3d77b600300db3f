// The widgets' scripts lie beside this one; RequireJS is told before it is asked, and looks nowhere else.
requirejs.config({ paths: { anywidget: new URL("anywidget/index", document.currentScript.src).href } });
