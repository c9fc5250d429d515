# Made by tools/list_sources.py from the files of this folder.
set(MODULE_PYTHON_SCRIPTS
  TransferRisk.py
  )
set(MODULE_PYTHON_RESOURCES
  Resources/Icons/TransferRisk.png
  Resources/UI/TransferRisk.ui
  Resources/requirements.txt
  )
